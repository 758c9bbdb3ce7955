"""`hydria job --explain`: a plan for people, every value with its reason and its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydria.config.job import format_memory, format_walltime
from hydria.deploy.cost import costs
from hydria.deploy.placement import core_list
from hydria.deploy.plan import Decision, Plan
from hydria.deploy.quoting import ShellText
from hydria.deploy.schedulers import scheduler_of

# Decision → what people call it; those left out here have no line of their own.
NAMES = {
    "nodes": "nodes",
    "ranks_per_node": "ranks per node",
    "gpus_per_node": "GPUs per node",
    "cores_per_rank": "cores per rank",
    "threads": "threads per rank",
    "workers": "loader workers",
    "memory_mib": "memory per node",
    "queue": "queue",
    "walltime_s": "walltime",
    "account": "account",
    "constraint": "constraint",
    "filesystems": "file systems",
    "directives": "own directives",
    "mail": "mail",
    "runtime": "container runtime",
    "image": "image",
    "venv": "environment",
    "data_root": "data root",
    "run_dir": "run folder",
    "samples": "training samples",
    "staging": "staged to nodes",
    "preflight": "preflight",
    "lead_s": "warning",
    "requeues": "goes on by itself",
}
FORMS = {
    "memory_mib": format_memory,
    "walltime_s": format_walltime,
    "lead_s": lambda seconds: f"{seconds} s before the end",
    "requeues": lambda times: f"at most {times} times" if times else "no",
    "preflight": lambda wanted: "yes" if wanted else "no",
    "staging": lambda parts: ", ".join(parts) or "nothing",
    "directives": " ".join,
}
Row = tuple[str, str, str, str]


def page(plan: Plan) -> Iterator[str]:
    """Lines of the page: values, cost, places, directives, launcher, environment."""
    what = plan.task.script or plan.task.kind
    yield f"{what} of {plan.config.slug} on {plan.site.name} ({plan.site.facility})"
    yield ""
    decisions = plan.decisions()
    rows = [_row(name, key, decisions[key]) for key, name in NAMES.items() if key in decisions]
    rows += [
        ("cost at most", f"{cost.amount:g} {cost.unit}", cost.reason, cost.source)
        for cost in costs(plan)
    ]
    yield from (f"  {line}" for line in _table(rows))
    yield from _section("rank of a node -> cores -> GPU", list(_places(plan)))
    directives = scheduler_of(plan.site.scheduler.kind).directives(plan)
    yield from _section("the scheduler is told", list(directives))
    yield from _section("every rank is started by", [plan.launch or "nothing: it is alone"])
    yield from _section("every rank runs", [plan.task.words])
    modules = [(module.name, "", module.why, module.source) for module in plan.modules]
    yield from _section("modules", list(_table(modules)))
    variables = [(entry.name, entry.value.text, entry.why, entry.source) for entry in plan.env]
    yield from _section("environment of the ranks", list(_table(variables)))


def _row(name: str, key: str, decision: Decision[Any]) -> Row:
    return name, _shown(key, decision.value), decision.reason, decision.source


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, ShellText):
        return value.text
    return str(FORMS.get(key, str)(value))


def _places(plan: Plan) -> Iterator[str]:
    for place in plan.places:
        gpu = "-" if place.gpu is None else place.gpu
        yield f"{place.local_rank} -> {core_list(place.cores)} -> {gpu}"


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", title)
        yield from (f"  {line}" for line in lines)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    """Name and value in columns; reason and source below where the line would grow long."""
    wide = max((len(row[0]) for row in rows), default=0)
    for name, value, reason, source in rows:
        yield f"{name:<{wide}}  {value}".rstrip()
        yield f"{'':<{wide}}    {reason} [{source}]"
