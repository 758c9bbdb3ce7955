"""Checks 1 to 5, 21 and 27: queues, walltimes, and what a queue is for."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.config.job import format_walltime
from hydria.core.errors import listed
from hydria.core.registry import nearest
from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.plan import Plan
from hydria.deploy.queues import most, refusal, unknown_limits


def known_queue(plan: Plan) -> Iterator[Finding]:
    """The queue exists, may be submitted to, and is described."""
    asked = plan.queue.value
    if asked is None or plan.site.any_queue:
        return
    rows = [row for row in plan.site.queues if row.asked_as == asked]
    if rows and all(row.refused for row in rows):
        yield error(1, plan.queue.source, f"no job of ours in {asked!r}: {rows[0].refused}")
        return
    behind = next((row for row in plan.site.queues if row.submit_to and row.name == asked), None)
    if rows or behind is None:
        yield from _unknown_queue(plan, asked) if not rows else ()
        return
    message = f"{asked!r} is an execution queue of {plan.site.name}, which refuses jobs"
    yield error(2, plan.queue.source, message, f"--queue {behind.submit_to} hands them on to it")


def _unknown_queue(plan: Plan, asked: str) -> Iterator[Finding]:
    names = {row.asked_as for row in plan.site.queues}
    close = nearest(asked, names)
    hint = f"did you mean {close!r}?" if close else None
    yield error(1, plan.queue.source, f"expected one of {listed(names)}, got {asked!r}", hint)


def limits(plan: Plan) -> Iterator[Finding]:
    """Nodes and walltime lie within a row of the site's table."""
    queue = None if plan.site.any_queue else plan.queue.value
    rows = [row for row in plan.site.queues if queue is None or row.asked_as == queue]
    if plan.queue_row is not None or not rows or all(row.refused for row in rows):
        return
    nodes, walltime = plan.nodes.value, plan.walltime_s.value
    shortest = min(row.walltime[0] for row in rows)
    if walltime < shortest:
        message = f"expected at least {format_walltime(shortest)} on {plan.site.name}"
        yield error(3, plan.walltime_s.source, f"{message}, got {format_walltime(walltime)}")
    elif not _beyond_launcher(plan):
        yield _over_limits(plan, queue, nodes, walltime)


def _over_limits(plan: Plan, queue: str | None, nodes: int, walltime: int) -> Finding:
    unknown = unknown_limits(plan.site, queue, nodes, walltime)
    if unknown:
        asked = f"nodes={nodes} for {format_walltime(walltime)}"
        message = (
            f"whether a queue of {plan.site.name} takes {asked} is unknown ({', '.join(unknown)})"
        )
        return error(21, "limits", message, _how_to_assume(plan, unknown))
    reasons = refusal(plan.site, queue, nodes, walltime)
    routes = [
        row
        for row in plan.site.queues
        if row.submit_to and row.nodes[0] <= nodes <= most(row)[0] and queue in {None, row.asked_as}
    ]
    drops = "routing_queue_drops_silently" in plan.site.scheduler.quirks
    if routes and drops:
        longest = format_walltime(max(most(row)[1] for row in routes))
        message = (
            f"{plan.site.name} {routes[0].asked_as!r} would route {nodes} nodes/"
            f"{format_walltime(walltime)} nowhere; PBS can drop it without an error. "
            f"Allowed: ≤{longest}. {reasons}"
        )
        return error(2, "limits", message)
    return error(1, "limits", reasons)


def _how_to_assume(plan: Plan, paths: list[str]) -> str:
    """The flags, with N for what the machine's own tools tell."""
    flags = (f"--assume '{path}={'Nh' if 'walltime' in path else 'N'}'" for path in paths)
    rows = {int(path.partition("[")[2].partition("]")[0]) for path in paths}
    notes = "; ".join(note for row in sorted(rows) if (note := plan.site.queues[row].note))
    return f"{' '.join(flags)} renders anyway" + (f" ({notes})" if notes else "")


def _beyond_launcher(plan: Plan) -> bool:
    most_nodes = plan.site.launch.max_nodes
    return most_nodes is not None and plan.nodes.value > most_nodes


def nodes_of_launcher(plan: Plan) -> Iterator[Finding]:
    """More nodes than the launcher can be trusted with."""
    if _beyond_launcher(plan):
        most_nodes, asked = plan.site.launch.max_nodes, plan.nodes.value
        reason = "how ranks are started on several nodes there is not sourced"
        if plan.site.scheduler.kind == "local":
            reason = "it is one machine"
        yield error(
            21,
            plan.nodes.source,
            f"expected at most {most_nodes} node on {plan.site.name}, got {asked}: {reason}",
            "--gpus or --cpus asks for more ranks on the node",
        )


def not_for_production(plan: Plan) -> Iterator[Finding]:
    row = plan.queue_row
    if row is None or row.production:
        return
    running = row.per_user.running if row.per_user else None
    limit = f"; at most {running} job of yours in any state" if running else ""
    yield warning(4, f"queue {row.name}", f"is not for production or chains of jobs{limit}")


def one_at_a_time(plan: Plan) -> Iterator[Finding]:
    """Queues that run a person's jobs one after the other."""
    row = plan.queue_row
    if row is None or row.per_user is None or not row.production or row.per_user.running != 1:
        return
    queued = row.per_user.queued
    waits = f", {queued} in all are accepted" if queued else ""
    yield warning(5, f"queue {row.asked_as}", f"runs 1 job of yours at a time{waits}")


def number_of_jobs(plan: Plan, count: int, chained: bool = False) -> Iterator[Finding]:
    """Several jobs handed over at once: more than a queue holds, or a chain where none may be."""
    row = plan.queue_row
    if row is None or count == 1:
        return
    queued = row.per_user.queued if row.per_user else None
    if queued is not None and count > queued:
        message = f"takes {queued} job{'' if queued == 1 else 's'} of yours at a time, got {count}"
        yield warning(5, f"queue {row.asked_as}", message, "the scheduler may refuse the others")
    if chained and not row.chaining:
        yield warning(4, f"queue {row.asked_as}", "is not for chains of jobs")


def saved_before_end(plan: Plan) -> Iterator[Finding]:
    """A job that runs into its walltime must have saved what it has learnt."""
    lead, walltime = plan.lead_s.value, plan.walltime_s
    if lead is not None and lead >= walltime.value:
        yield error(
            27,
            walltime.source,
            f"expected more than the {lead} s that the checkpoint before the end may take, "
            f"got {format_walltime(walltime.value)}",
        )
    if lead is not None or not plan.task.trains or plan.site.scheduler.kind == "local":
        return
    if not plan.config.saves:
        message = "no checkpoint before the end: the site gives no warning (restart.signal: none)"
        hint = "NeuralNetwork.Training.Checkpoint=true, and checkpoint_warmup below num_epoch"
        yield error(27, "NeuralNetwork.Training", message, hint)
    else:
        message = "nothing warns the job before it ends (restart.signal: none)"
        hint = "what follows its last checkpoint, at the end of an epoch, is done again"
        yield warning(27, walltime.source, message, hint)
