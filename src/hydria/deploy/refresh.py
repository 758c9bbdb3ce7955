"""`hydria site refresh`: what a machine says of its queues, against what its file says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hydria.config.job import format_walltime
from hydria.config.site import Queue, Site

# Scheduler → the commands whose output is understood; all of those that are there are asked.
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "slurm": (
        ("scontrol", "show", "partition"),
        ("sinfo",),
        ("sacctmgr", "--parsable2", "show", "qos"),
    ),
    "pbspro": (("qstat", "-Qf"),),
    "flux": (("flux", "queue", "list"), ("flux", "resource", "list")),
}
# Kind of a row in a site file → what the machine's own commands call it.
KINDS = {"partition": "partition", "qos": "qos", "queue": "queue", "routing": "queue"}
# Kinds of which a machine has many that are not for everybody.
NOT_ALL_FOR_US = frozenset({"qos"})
_DAYS = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d+){0,2})")


@dataclass(frozen=True)
class Live:
    """A queue as the machine describes it; None where it says nothing or sets no limit."""

    name: str
    nodes: tuple[int | None, int | None] = (None, None)
    walltime_s: tuple[int | None, int | None] = (None, None)
    open: bool = True
    hidden: bool = False
    kind: str = "queue"
    jobs: tuple[int | None, int | None] = (None, None)
    """Of one person: running, and in all."""
    qos: str | None = None
    """The QOS whose limits count for every job of a partition."""


def read_output(text: str) -> tuple[Live, ...]:
    """The queues in the output of one of the commands; ValueError where it is none of theirs."""
    for mark, reader in READERS:
        if re.search(mark, text, re.MULTILINE):
            return tuple(reader(text))
    known = ", ".join(" ".join(words) for words in sum(COMMANDS.values(), ()))
    raise ValueError(f"expected the output of one of: {known}")


def merge(readings: Iterable[tuple[Live, ...]]) -> dict[tuple[str, str], Live]:
    """What several outputs say of each queue, by kind and name.

    The first one that sets a limit counts; a partition's own QOS may lower it.
    """
    found: dict[tuple[str, str], Live] = {}
    for live in (queue for reading in readings for queue in reading):
        known = found.get((live.kind, live.name))
        found[live.kind, live.name] = live if known is None else _both(known, live)
    for key, live in list(found.items()):
        limits = found.get(("qos", live.qos)) if live.qos else None
        found[key] = _lowered(live, limits) if limits else live
    return found


def _lowered(live: Live, qos: Live) -> Live:
    return replace(
        live,
        nodes=(live.nodes[0], _least(live.nodes[1], qos.nodes[1])),
        walltime_s=(live.walltime_s[0], _least(live.walltime_s[1], qos.walltime_s[1])),
    )


def _least(*ends: int | None) -> int | None:
    return min((end for end in ends if end is not None), default=None)


def _both(first: Live, second: Live) -> Live:
    return replace(
        first,
        nodes=_filled(first.nodes, second.nodes),
        walltime_s=_filled(first.walltime_s, second.walltime_s),
        open=first.open and second.open,
    )


def _filled(
    first: tuple[int | None, int | None], second: tuple[int | None, int | None]
) -> tuple[int | None, int | None]:
    low, high = (a if a is not None else b for a, b in zip(first, second, strict=True))
    return low, high


def _scontrol(text: str) -> Iterator[Live]:
    for block in re.split(r"\n\s*\n", text.strip()):
        fields = dict(word.split("=", 1) for word in block.split() if "=" in word)
        total = _count(fields.get("TotalNodes"))
        most = _count(fields.get("MaxNodes"))
        yield Live(
            fields["PartitionName"],
            nodes=(_count(fields.get("MinNodes")), total if most is None else most),
            walltime_s=(None, _seconds(fields.get("MaxTime"))),
            open=fields.get("State", "UP") == "UP",
            hidden=fields.get("Hidden") == "YES",
            kind="partition",
            qos=None if fields.get("QoS", "N/A") == "N/A" else fields["QoS"],
        )


def _sinfo(text: str) -> Iterator[Live]:
    """Columns of plain `sinfo`; a partition has a line for each state of its nodes."""
    head, *lines = [line.split() for line in text.strip().splitlines() if line.strip()]
    at = {name: index for index, name in enumerate(head)}
    nodes: dict[str, int] = {}
    rows = {line[at["PARTITION"]].rstrip("*"): line for line in lines}
    for line in lines:
        name = line[at["PARTITION"]].rstrip("*")
        nodes[name] = nodes.get(name, 0) + (_count(line[at["NODES"]]) or 0)
    for name, line in rows.items():
        yield Live(
            name,
            nodes=(None, nodes[name]),
            walltime_s=(None, _seconds(line[at["TIMELIMIT"]])),
            open=line[at["AVAIL"]] == "up",
            kind="partition",
        )


def _sacctmgr(text: str) -> Iterator[Live]:
    """QOSs, as `--parsable2` or as the usual table, which cuts long values off with a +."""
    lines = [line for line in text.splitlines() if line.strip()]
    if "|" in lines[0]:
        head, *rows = (line.split("|") for line in lines)
    else:
        ends = [match.span() for match in re.finditer("-+", lines[1])]
        head, _, *rows = ([line[a:b].strip() for a, b in ends] for line in lines)
    for row in rows:
        fields = dict(zip(head, row, strict=False))
        if fields["Name"].endswith("+"):
            message = f"expected whole names, got {fields['Name']!r}"
            raise ValueError(f"{message}. Hint: sacctmgr --parsable2 show qos")
        yield Live(
            fields["Name"],
            nodes=(_trackable(fields.get("MinTRES")), _trackable(fields.get("MaxTRES"))),
            walltime_s=(None, _seconds(fields.get("MaxWall"))),
            kind="qos",
            jobs=(_count(fields.get("MaxJobsPU")), _count(fields.get("MaxSubmitPU"))),
        )


def _trackable(text: str | None) -> int | None:
    """The nodes of `cpu=512,node=8`."""
    match = re.search(r"(?:^|,)node=(\d+)(?:,|$)", text or "")
    return int(match[1]) if match else None


def _qstat(text: str) -> Iterator[Live]:
    for block in re.split(r"(?m)^Queue:", text)[1:]:
        name, _, rest = block.partition("\n")
        fields = dict(re.findall(r"^\s+([\w.]+) = (.*)$", rest, re.MULTILINE))
        yield Live(
            name.strip(),
            nodes=(
                _count(fields.get("resources_min.nodect")),
                _count(fields.get("resources_max.nodect")),
            ),
            walltime_s=(
                _seconds(fields.get("resources_min.walltime")),
                _seconds(fields.get("resources_max.walltime")),
            ),
            open=fields.get("enabled") == "True" and fields.get("started") == "True",
        )


def _flux_queues(text: str) -> Iterator[Live]:
    """`flux queue list`: the default queue has a * behind its name."""
    for line in _columns(text):
        least, _, most = line.get("NNODES", "").partition("-")
        yield Live(
            line["QUEUE"].rstrip("*"),
            nodes=(_count(least) or None, _count(most)),
            walltime_s=(None, _duration(line.get("TLIMIT"))),
            open=not {line.get("EN"), line.get("ST")} & {"✗", "n", "no"},
        )


def _flux_resources(text: str) -> Iterator[Live]:
    """`flux resource list`: a queue has a line for each state of its nodes."""
    nodes: dict[str, int] = {}
    for line in _columns(text):
        nodes[line["QUEUE"]] = nodes.get(line["QUEUE"], 0) + (_count(line["NNODES"]) or 0)
    for name, count in nodes.items():
        yield Live(name, nodes=(None, count))


def _columns(text: str) -> Iterator[dict[str, str]]:
    head, *lines = (line.split() for line in text.strip().splitlines() if line.strip())
    return (dict(zip(head, line, strict=False)) for line in lines)


def _duration(text: str | None) -> int | None:
    """Seconds of Flux's durations, such as 1.5h; None for `inf`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text or "")
    return round(float(match[1]) * _SECONDS[match[2]]) if match else None


# What a command's output is known by → how it is read.
READERS: tuple[tuple[str, Callable[[str], Iterator[Live]]], ...] = (
    (r"^PartitionName=", _scontrol),
    (r"^PARTITION\b.*\bTIMELIMIT\b", _sinfo),
    (r"^Queue: ", _qstat),
    (r"\bMaxWall\b", _sacctmgr),
    (r"^\s*QUEUE\b.*\bTLIMIT\b", _flux_queues),
    (r"^\s*STATE\s+QUEUE\b.*\bNNODES\b", _flux_resources),
)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _seconds(text: str | None) -> int | None:
    """`D-HH:MM:SS`, `HH:MM:SS`, `MM:SS`; None for UNLIMITED, infinite and the like."""
    match = _DAYS.fullmatch(text or "")
    if match is None:
        return None
    total = 0
    for part in match["clock"].split(":"):
        total = total * 60 + int(part)
    if match["days"] and match["clock"].count(":") < 2:
        total *= 60 ** (2 - match["clock"].count(":"))
    return total + 86400 * int(match["days"] or 0)


def compare(site: Site, live: dict[tuple[str, str], Live]) -> Iterator[str]:
    """A line for everything in the site file that the machine contradicts."""
    told = {kind for kind, _ in live}
    names: dict[tuple[str, str], list[Queue]] = {}
    for row in site.queues:
        if KINDS.get(row.kind) in told:
            names.setdefault((KINDS[row.kind], row.listed_as or row.name), []).append(row)
            if row.submit_to is not None:
                names.setdefault((KINDS[row.kind], row.submit_to), [])
    for key, rows in names.items():
        if key not in live:
            yield f"queue {key[1]}: in the file, the machine does not name it"
        else:
            yield from _limits(key[1], rows, live[key])
    for key, queue in live.items():
        ours = key not in names and key[0] not in NOT_ALL_FOR_US
        if ours and queue.open and not queue.hidden:
            yield f"queue {key[1]}: on the machine{_shape(queue)}, not in the file"


def _limits(name: str, rows: Sequence[Queue], live: Live) -> Iterator[str]:
    if not live.open:
        yield f"queue {name}: the machine has it closed"
    if not rows:
        return
    least, shortest = min(row.nodes[0] for row in rows), min(row.walltime[0] for row in rows)
    most = _most(row.nodes[1] for row in rows)
    longest = _most(row.walltime[1] for row in rows)
    running, queued = (_of_one_person(rows, which) for which in ("running", "queued"))
    told = (
        ("nodes, at least", least, live.nodes[0], str),
        ("nodes, at most", most, live.nodes[1], str),
        ("walltime, at least", shortest, live.walltime_s[0], format_walltime),
        ("walltime, at most", longest, live.walltime_s[1], format_walltime),
        # a file that says nothing of them is not stale
        ("running jobs of one person", running, live.jobs[0] if running else None, str),
        ("jobs of one person", queued, live.jobs[1] if queued else None, str),
    )
    for what, ours, theirs, form in told:
        if theirs is None or ours == theirs:
            continue
        said = "unknown" if ours is None else form(ours)
        yield f"queue {name}: {what}: the file says {said}, the machine {form(theirs)}"


def _of_one_person(rows: Sequence[Queue], which: str) -> int | None:
    limits = [getattr(row.per_user, which) for row in rows if row.per_user is not None]
    return next((limit for limit in limits if limit is not None), None)


def _most(ends: Iterable[int | None]) -> int | None:
    """The largest end of several ranges; None where one is unknown."""
    known = list(ends)
    return None if None in known else max(end for end in known if end is not None)


def _shape(live: Live) -> str:
    nodes, seconds = live.nodes[1], live.walltime_s[1]
    told = [f"up to {nodes} nodes"] if nodes is not None else []
    told += [f"up to {format_walltime(seconds)}"] if seconds is not None else []
    return f" ({', '.join(told)})" if told else ""
