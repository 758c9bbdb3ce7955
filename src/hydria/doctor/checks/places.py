"""Checks of the folders that a run writes to."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.doctor.facts import Place
from hydria.doctor.finding import Said, Seen, fault, ok, warning
from hydria.doctor.places import CACHES, DATA, RUN, TEMPORARY

LITTLE_SPACE_MIB = 1024
FEW_INODES = 1000
SLOW_PROBE_MS = 2000.0
# A run cannot do without these; prepared data may be read-only, caches are only missed.
NEEDED = frozenset({RUN, TEMPORARY})
FOR_ALL_NODES = frozenset({RUN, DATA})


def check_places(seen: Seen) -> Iterator[Said]:
    """Every folder takes a file, has space, and is where all nodes or only one should see it."""
    machines = {facts.host.boot_id for facts in seen.ranks}
    for (place, ranks), hosts in _distinct(seen).items():
        yield _judged(place, hosts, ranks, seen.purpose, len(machines))


def _distinct(seen: Seen) -> dict[tuple[Place, tuple[int, ...]], list[str]]:
    """Places with the hosts that say the same of them; figures are those of the first."""
    groups: dict[tuple[object, ...], list[tuple[Place, int, str]]] = {}
    for facts in seen.ranks:
        for place in facts.places:
            judged = (place.error, _low(place), _slow(place))
            key = (place.role, place.path, place.probed, place.kind, *judged)
            groups.setdefault(key, []).append((place, facts.ranks.rank, facts.host.name))
    return {
        (rows[0][0], tuple(rank for _, rank, _ in rows)): [host for _, _, host in rows]
        for rows in groups.values()
    }


def _low(place: Place) -> bool:
    space = place.free_mib is not None and place.free_mib < LITTLE_SPACE_MIB
    return space or (place.free_inodes is not None and place.free_inodes < FEW_INODES)


def _slow(place: Place) -> bool:
    return place.probe_ms is not None and place.probe_ms > SLOW_PROBE_MS


def _judged(
    place: Place, hosts: list[str], ranks: tuple[int, ...], purpose: str | None, machines: int
) -> Said:
    where = f"{place.role} {place.path}"
    if place.probed != place.path:
        where += f" (does not exist yet; {place.probed} does)"
    if place.error is not None:
        needed = place.role in NEEDED or (place.role == DATA and purpose == "prepare")
        return (fault if needed else warning)(
            f"{where}: a small file could not be written and read on {hosts[0]}: {place.error}",
            "see its rights, its quota and the free space, or choose another folder",
            ranks,
        )
    if machines > 1 and place.role in FOR_ALL_NODES and place.shared is False:
        return fault(
            f"{where} is on a local file system ({place.kind}): other nodes see another folder",
            "choose a folder on the scratch that all nodes share",
            ranks,
        )
    described = f"{where}: {_described(place)}"
    if _low(place):
        return warning(described, "make room: checkpoints and results need space", ranks)
    if _slow(place):
        return warning(described, "this file system is slow now; training waits for it", ranks)
    if machines > 1 and place.role in CACHES and place.shared:
        return warning(described, "put caches on node-local storage: ranks lock each other", ranks)
    return ok(described)


def _described(place: Place) -> str:
    seen_by = {True: "shared", False: "local", None: "shared or local unknown"}[place.shared]
    free = "" if place.free_mib is None else f", {place.free_mib / 1024:.1f} GiB free"
    inodes = "" if place.free_inodes is None else f", {place.free_inodes} inodes"
    space = free + (inodes if _low(place) else "")
    return f"{place.kind}, {seen_by}{space}, probe {place.probe_ms:.0f} ms"
