"""Checks 1, 3, 4 and 27: queues, walltimes, and what a queue is for."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.config.job import format_walltime
from hydria.core.errors import listed
from hydria.core.registry import nearest
from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.plan import Plan
from hydria.deploy.queues import refusal


def known_queue(plan: Plan) -> Iterator[Finding]:
    names = {row.name for row in plan.site.queues}
    asked = plan.queue.value
    if asked is None or asked in names:
        return
    close = nearest(asked, names)
    hint = f"did you mean {close!r}?" if close else None
    yield error(1, plan.queue.source, f"expected one of {listed(names)}, got {asked!r}", hint)


def limits(plan: Plan) -> Iterator[Finding]:
    """Nodes and walltime lie within a row of the site's table."""
    names = {row.name for row in plan.site.queues}
    if plan.queue_row is not None or plan.queue.value not in names | {None}:
        return
    nodes, walltime = plan.nodes.value, plan.walltime_s.value
    shortest = min(row.walltime[0] for row in plan.site.queues)
    if walltime < shortest:
        message = f"expected at least {format_walltime(shortest)} on {plan.site.name}"
        yield error(3, plan.walltime_s.source, f"{message}, got {format_walltime(walltime)}")
        return
    if _beyond_launcher(plan):
        return
    yield error(1, "limits", refusal(plan.site, plan.queue.value, nodes, walltime))


def _beyond_launcher(plan: Plan) -> bool:
    most = plan.site.launch.max_nodes
    return most is not None and plan.nodes.value > most


def nodes_of_launcher(plan: Plan) -> Iterator[Finding]:
    """More nodes than the launcher can be trusted with."""
    if _beyond_launcher(plan):
        most, asked = plan.site.launch.max_nodes, plan.nodes.value
        reason = "how ranks are started on several nodes there is not sourced"
        if plan.site.scheduler.kind == "local":
            reason = "it is one machine"
        yield error(
            21,
            plan.nodes.source,
            f"expected at most {most} node on {plan.site.name}, got {asked}: {reason}",
            "--gpus or --cpus asks for more ranks on the node",
        )


def not_for_production(plan: Plan) -> Iterator[Finding]:
    row = plan.queue_row
    if row is None or row.production:
        return
    running = row.per_user.running if row.per_user else None
    most = f"; at most {running} job of yours in any state" if running else ""
    yield warning(4, f"queue {row.name}", f"is not for production or chains of jobs{most}")


def warning_before_end(plan: Plan) -> Iterator[Finding]:
    lead = plan.lead_s.value
    if lead is not None and lead >= plan.walltime_s.value:
        yield error(
            27,
            plan.walltime_s.source,
            f"expected more than the {lead} s that the checkpoint before the end may take, "
            f"got {format_walltime(plan.walltime_s.value)}",
        )
