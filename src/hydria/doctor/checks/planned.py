"""The check against the plan: what runs is what was planned."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.doctor.finding import Said, Seen, fault, ok, warning
from hydria.doctor.plan import PlannedJob, differences
from hydria.runtime.environment import recorded

SHOWN = 8


def check_plan(seen: Seen) -> Iterator[Said]:
    """Number of ranks and nodes, binding, devices and environment are those of the plan."""
    plan = seen.plan
    if plan is None:
        return
    told = [*_counts(seen, plan), *_places(seen, plan), *_environment(seen, plan)]
    yield from told
    if not told:
        what = "cores and devices" if plan.placement else "numbers (the plan names no cores)"
        yield ok(f"{what} are those planned for {plan.site}")


def _counts(seen: Seen, plan: PlannedJob) -> Iterator[Said]:
    nodes = len(seen.nodes())
    found = (
        ("ranks", plan.ranks, seen.world_size),
        ("nodes", plan.nodes.value, nodes if not seen.missing else plan.nodes.value),
        ("ranks per node", plan.ranks_per_node.value, seen.first.ranks.local_world_size),
    )
    for what, planned, actual in found:
        if planned != actual:
            yield fault(
                f"planned {planned} {what}, found {actual}",
                "see the launch line, and that nothing was changed after the script was rendered",
            )


def _places(seen: Seen, plan: PlannedJob) -> Iterator[Said]:
    wrong = list(differences(plan, seen.ranks))
    if wrong:
        yield fault(
            f"{len(wrong)} of {len(seen.ranks)} ranks do not run on the cores and devices "
            "planned for them",
            "the lines marked - and + show the difference; see the launcher's binding options",
            [difference.rank for difference in wrong],
        )


def _environment(seen: Seen, plan: PlannedJob) -> Iterator[Said]:
    """Variables with a value known beforehand that did not reach the ranks."""
    for variable in plan.environment:
        if "$" in variable.value or not recorded({variable.name: variable.value}):
            continue
        ranks = [
            facts.ranks.rank
            for facts in seen.ranks
            if facts.environment.get(variable.name) != variable.value
        ]
        if ranks:
            found = next(f for f in seen.ranks if f.ranks.rank == ranks[0]).environment
            yield warning(
                f"{variable.name}: planned {variable.value!r}, found {found.get(variable.name)!r}",
                "does the launcher or the container pass the environment on?",
                ranks,
            )
