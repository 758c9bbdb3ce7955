"""Checks of the ranks as a group, and of the machines they run on."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.doctor.finding import Said, Seen, fault, ok, warning

GIB = 1024  # in MiB
LEAST_MEMORY_PER_RANK_MIB = 1 * GIB
CLOCK_TOLERANCE_S = 5.0
# Nothing that this program reads or signs is older.
EARLIEST_TIME = 1_735_689_600  # 2025-01-01
SHOWN = 8


def check_ranks(seen: Seen) -> Iterator[Said]:
    """All ranks answered, and agree on how many they are."""
    if seen.meeting_error is not None:
        yield fault(
            f"the ranks could not meet: {seen.meeting_error}",
            "give --run-dir or --meet a folder on a file system that all nodes share",
            seen.missing,
        )
    elif seen.missing:
        yield fault(
            f"no answer within {seen.waited_s:.0f} s from {_missing(seen)}",
            "look for what those ranks printed; if their node works, is the folder shared?",
            seen.missing,
        )
    sizes = sorted({facts.ranks.world_size for facts in seen.ranks})
    sources = sorted({facts.ranks.source for facts in seen.ranks})
    if len(sizes) > 1 or len(sources) > 1:
        yield fault(
            f"ranks disagree: world sizes {sizes}, told by {', '.join(sources)}",
            "start all of them with one launcher; unset what another one left behind",
        )
    elif seen.first.scheduled_tasks > 1:
        yield warning(
            f"one process, in an allocation of {seen.first.scheduled_tasks} tasks",
            "start it with srun or mpiexec to look at every rank",
        )
    elif not seen.missing:
        count = seen.world_size
        told = f"{count} ranks, told by {sources[0]}" if count > 1 else "one process, no launcher"
        yield ok(told)


def _missing(seen: Seen) -> str:
    names = ", ".join(str(rank) for rank in seen.missing[:SHOWN])
    more = len(seen.missing) - SHOWN
    word = "rank" if len(seen.missing) == 1 else "ranks"
    return f"{word} {names}" + (f" and {more} more" if more > 0 else "") + f" of {seen.world_size}"


def check_hosts(seen: Seen) -> Iterator[Said]:
    """Nodes of one job are alike."""
    kinds: dict[str, list[str]] = {}
    for name, ranks in seen.nodes():
        host = ranks[0].host
        limit = "" if host.cpu_limit is None else f", limited to {host.cpu_limit:g} cores' time"
        kind = f"{host.machine}, {host.cpu}, {host.hardware_threads} hardware threads{limit}"
        kinds.setdefault(kind, []).append(name)
    if len(kinds) > 1:
        told = "; ".join(f"{_names(names)}: {kind}" for kind, names in kinds.items())
        yield warning(f"the nodes differ: {told}", "the slowest node sets the pace of all")
        return
    kind, names = next(iter(kinds.items()))
    yield ok(f"{_names(names)}: {kind}")


def _names(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_memory(seen: Seen) -> Iterator[Said]:
    """Each rank has some memory to work with, within the limits of the job."""
    tight = []
    least = None
    for _, ranks in seen.nodes():
        host = ranks[0].host
        usable = min(host.memory_available_mib, host.memory_limit_mib or host.memory_mib)
        least = usable if least is None else min(least, usable)
        if usable < LEAST_MEMORY_PER_RANK_MIB * len(ranks):
            tight.append(f"{host.name}: {usable / GIB:.1f} GiB for {len(ranks)} ranks")
    if tight:
        yield warning(
            f"little memory: {'; '.join(tight[:SHOWN])}",
            "ask the scheduler for more (--mem), or see what else runs on the node",
        )
        return
    host = seen.first.host
    limit = host.memory_limit_mib
    bound = "no limit" if limit is None else f"limit {limit / GIB:.1f} GiB"
    yield ok(f"{(least or 0) / GIB:.1f} of {host.memory_mib / GIB:.1f} GiB free on a node, {bound}")


def check_clock(seen: Seen) -> Iterator[Said]:
    """The clocks of the hosts agree with those of the file systems."""
    early = sorted({facts.host.name for facts in seen.ranks if facts.time < EARLIEST_TIME})
    if early:
        yield fault(
            f"the clock of {_names(early)} is years behind",
            "set it (chrony, ntpd): certificates and time stamps are wrong",
        )
    offsets = {
        (facts.host.name, place.role): place.clock_offset_s
        for facts in seen.ranks
        for place in facts.places
        if place.clock_offset_s is not None
    }
    for (name, role), offset in offsets.items():
        if abs(offset) > CLOCK_TOLERANCE_S:
            yield warning(
                f"the clock of {name} is {offset:+.0f} s from that of the file system ({role})",
                "files look older or newer than they are; tell the facility",
            )
    if not early and offsets:
        largest = max(map(abs, offsets.values()))
        yield ok(f"within {largest:.1f} s of the file systems' time stamps")
