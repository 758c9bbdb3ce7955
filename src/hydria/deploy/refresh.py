"""`hydria site refresh`: what a machine says of its queues, against what its file says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hydria.config.job import format_walltime
from hydria.config.site import Queue, Site

# Scheduler → the commands whose output is understood; all of those that are there are asked.
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "slurm": (("scontrol", "show", "partition"), ("sinfo",)),
    "pbspro": (("qstat", "-Qf"),),
}
# Queues of these kinds are what those commands list; others are limits laid over them.
LISTED = {"slurm": frozenset({"partition"}), "pbspro": frozenset({"queue", "routing"})}
_DAYS = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d+){0,2})")


@dataclass(frozen=True)
class Live:
    """A queue as the machine describes it; None where it says nothing or sets no limit."""

    name: str
    nodes: tuple[int | None, int | None] = (None, None)
    walltime_s: tuple[int | None, int | None] = (None, None)
    open: bool = True
    hidden: bool = False


def read_output(text: str) -> tuple[Live, ...]:
    """The queues in the output of one of the commands; ValueError where it is none of theirs."""
    for mark, reader in READERS:
        if re.search(mark, text, re.MULTILINE):
            return tuple(reader(text))
    raise ValueError("expected the output of scontrol show partition, sinfo or qstat -Qf")


def merge(readings: Iterable[tuple[Live, ...]]) -> dict[str, Live]:
    """What several outputs say of each queue; the first one that sets a limit counts."""
    found: dict[str, Live] = {}
    for live in (queue for reading in readings for queue in reading):
        known = found.get(live.name)
        found[live.name] = live if known is None else _both(known, live)
    return found


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
        )


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


# What a command's output is known by → how it is read.
READERS: tuple[tuple[str, Callable[[str], Iterator[Live]]], ...] = (
    (r"^PartitionName=", _scontrol),
    (r"^PARTITION\b.*\bTIMELIMIT\b", _sinfo),
    (r"^Queue: ", _qstat),
)


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


def compare(site: Site, live: dict[str, Live]) -> Iterator[str]:
    """A line for everything in the site file that the machine contradicts."""
    listed = LISTED.get(site.scheduler.kind, frozenset())
    names: dict[str, list[Queue]] = {}
    for row in site.queues:
        if row.kind in listed:
            names.setdefault(row.name, []).append(row)
            if row.submit_to is not None:
                names.setdefault(row.submit_to, [])
    for name, rows in names.items():
        if name not in live:
            yield f"queue {name}: in the file, the machine does not name it"
        else:
            yield from _limits(name, rows, live[name])
    for name, queue in live.items():
        if name not in names and queue.open and not queue.hidden:
            yield f"queue {name}: on the machine{_shape(queue)}, not in the file"


def _limits(name: str, rows: Sequence[Queue], live: Live) -> Iterator[str]:
    if not live.open:
        yield f"queue {name}: the machine has it closed"
    if not rows:
        return
    least, shortest = min(row.nodes[0] for row in rows), min(row.walltime[0] for row in rows)
    most = _most(row.nodes[1] for row in rows)
    longest = _most(row.walltime[1] for row in rows)
    told = (
        ("nodes, at least", least, live.nodes[0], str),
        ("nodes, at most", most, live.nodes[1], str),
        ("walltime, at least", shortest, live.walltime_s[0], format_walltime),
        ("walltime, at most", longest, live.walltime_s[1], format_walltime),
    )
    for what, ours, theirs, form in told:
        if theirs is None or ours == theirs:
            continue
        said = "unknown" if ours is None else form(ours)
        yield f"queue {name}: {what}: the file says {said}, the machine {form(theirs)}"


def _most(ends: Iterable[int | None]) -> int | None:
    """The largest end of several ranges; None where one is unknown."""
    known = list(ends)
    return None if None in known else max(end for end in known if end is not None)


def _shape(live: Live) -> str:
    nodes, seconds = live.nodes[1], live.walltime_s[1]
    told = [f"up to {nodes} nodes"] if nodes is not None else []
    told += [f"up to {format_walltime(seconds)}"] if seconds is not None else []
    return f" ({', '.join(told)})" if told else ""
