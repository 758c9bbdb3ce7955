"""Queues: which row of the site's table accepts a job, and what would be accepted instead."""

from __future__ import annotations

from collections.abc import Iterable

from hydria.config.job import format_walltime
from hydria.config.site import Queue, Site


def most(row: Queue) -> tuple[int, int]:
    """The most nodes and seconds that a row is known to take."""
    return row.nodes[1] or row.nodes[0], row.walltime[1] or row.walltime[0]


def fits(row: Queue, nodes: int, walltime_s: int) -> bool:
    most_nodes, longest = most(row)
    return row.nodes[0] <= nodes <= most_nodes and row.walltime[0] <= walltime_s <= longest


def choose_queue(site: Site, name: str | None, nodes: int, walltime_s: int) -> Queue | None:
    """The first row that accepts the job, among those of `name` or those chosen unasked."""
    if site.any_queue:
        name = None
    rows = [row for row in site.queues if (row.asked_as == name if name else not row.by_name)]
    rows = [row for row in rows if row.refused is None]
    return next((row for row in rows if fits(row, nodes, walltime_s)), None)


def unknown_limits(site: Site, name: str | None, nodes: int, walltime_s: int) -> list[str]:
    """Paths of the unknown facts that would decide whether a queue takes the job."""
    found = []
    for index, row in enumerate(site.queues):
        if row.refused or (row.asked_as != name if name else row.by_name):
            continue
        within = row.nodes[1] is None or nodes <= row.nodes[1]
        in_time = row.walltime[1] is None or walltime_s <= row.walltime[1]
        if within and in_time and nodes >= row.nodes[0] and walltime_s >= row.walltime[0]:
            found += [f"queues[{index}].nodes[1]"] if row.nodes[1] is None else []
            found += [f"queues[{index}].walltime[1]"] if row.walltime[1] is None else []
    return found


def refusal(site: Site, name: str | None, nodes: int, walltime_s: int) -> str:
    """Why no queue accepts the job, and what one would accept."""
    asked = f"nodes={nodes} for {format_walltime(walltime_s)}"
    verdict = (
        f"does not fit queue {name!r} of {site.name}" if name else f"fits no queue on {site.name}"
    )
    rows = [row for row in site.queues if name is None or row.asked_as == name]
    offers = [
        *(_longest_here(rows, nodes) or _largest(rows)),
        *_enough_nodes(rows, nodes, walltime_s),
        *_other_queues(site.queues, name, nodes, walltime_s),
    ]
    return f"{asked} {verdict}. {'; '.join(offers)}"


def _longest_here(rows: Iterable[Queue], nodes: int) -> list[str]:
    here = [row for row in rows if row.nodes[0] <= nodes <= most(row)[0] and not row.by_name]
    if not here:
        return []
    best = max(here, key=lambda row: most(row)[1])
    at = "1 node" if nodes == 1 else f"{nodes} nodes"
    return [f"Longest allowed at {at}: {best.asked_as} {format_walltime(most(best)[1])}"]


def _enough_nodes(rows: Iterable[Queue], nodes: int, walltime_s: int) -> list[str]:
    enough = [
        row.nodes[0]
        for row in rows
        if row.nodes[0] > nodes and row.walltime[0] <= walltime_s <= most(row)[1]
    ]
    return [f"{format_walltime(walltime_s)} needs ≥{min(enough)} nodes"] if enough else []


def _other_queues(
    rows: Iterable[Queue], name: str | None, nodes: int, walltime_s: int
) -> list[str]:
    """Queues that were not asked for, or have to be, and would take the job."""
    return [
        f"{row.nodes[0]}-{most(row)[0]} nodes may use {row.asked_as!r} up to "
        f"{format_walltime(most(row)[1])}"
        if row.nodes[0] > 1
        else f"≤{most(row)[0]} nodes may use {row.asked_as!r} up to {format_walltime(most(row)[1])}"
        for row in rows
        if (row.by_name or name) and row.asked_as != name
        if row.production and row.refused is None and fits(row, nodes, walltime_s)
    ]


def _largest(rows: list[Queue]) -> list[str]:
    return [
        f"{row.asked_as}: {row.nodes[0]}-{row.nodes[1] or 'unknown'} nodes, "
        f"{format_walltime(row.walltime[0])}-"
        f"{'unknown' if row.walltime[1] is None else format_walltime(row.walltime[1])}"
        for row in rows
    ]
