"""Queues: which row of the site's table accepts a job, and what would be accepted instead."""

from __future__ import annotations

from collections.abc import Iterable

from hydria.config.job import format_walltime
from hydria.config.site import Queue, Site


def fits(row: Queue, nodes: int, walltime_s: int) -> bool:
    (fewest, most), (shortest, longest) = row.nodes, row.walltime
    return fewest <= nodes <= most and shortest <= walltime_s <= longest


def choose_queue(site: Site, name: str | None, nodes: int, walltime_s: int) -> Queue | None:
    """The first row that accepts the job, among those of `name` or those chosen unasked."""
    rows = [row for row in site.queues if (row.name == name if name else not row.by_name)]
    return next((row for row in rows if fits(row, nodes, walltime_s)), None)


def refusal(site: Site, name: str | None, nodes: int, walltime_s: int) -> str:
    """Why no queue accepts the job, and what one would accept."""
    asked = f"nodes={nodes} for {format_walltime(walltime_s)}"
    verdict = (
        f"does not fit queue {name!r} of {site.name}" if name else f"fits no queue on {site.name}"
    )
    rows = [row for row in site.queues if name is None or row.name == name]
    offers = [
        *(_longest_here(rows, nodes) or _largest(rows)),
        *_enough_nodes(rows, nodes, walltime_s),
        *_other_queues(site.queues, name, nodes, walltime_s),
    ]
    return f"{asked} {verdict}. {'; '.join(offers)}"


def _longest_here(rows: Iterable[Queue], nodes: int) -> list[str]:
    here = [row for row in rows if row.nodes[0] <= nodes <= row.nodes[1] and not row.by_name]
    if not here:
        return []
    best = max(here, key=lambda row: row.walltime[1])
    at = "1 node" if nodes == 1 else f"{nodes} nodes"
    return [f"Longest allowed at {at}: {best.name} {format_walltime(best.walltime[1])}"]


def _enough_nodes(rows: Iterable[Queue], nodes: int, walltime_s: int) -> list[str]:
    enough = [
        row.nodes[0]
        for row in rows
        if row.nodes[0] > nodes and row.walltime[0] <= walltime_s <= row.walltime[1]
    ]
    return [f"{format_walltime(walltime_s)} needs ≥{min(enough)} nodes"] if enough else []


def _other_queues(
    rows: Iterable[Queue], name: str | None, nodes: int, walltime_s: int
) -> list[str]:
    """Queues that were not asked for, or have to be, and would take the job."""
    return [
        f"≤{row.nodes[1]} nodes may use {row.name!r} up to {format_walltime(row.walltime[1])}"
        for row in rows
        if (row.by_name or name) and row.name != name
        if row.production and fits(row, nodes, walltime_s)
    ]


def _largest(rows: list[Queue]) -> list[str]:
    return [
        f"{row.name}: {row.nodes[0]}-{row.nodes[1]} nodes, "
        f"{format_walltime(row.walltime[0])}-{format_walltime(row.walltime[1])}"
        for row in rows
    ]
