"""Checks 10 to 14, 28 and 29: what the scheduler is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydria.config.job import format_memory
from hydria.deploy.checks.finding import Finding, error
from hydria.deploy.plan import Plan
from hydria.deploy.schedulers import scheduler_of

# Directives are not shell words: nothing quotes them, so only harmless characters may enter.
DIRECTIVE_TEXT = {
    "account": re.compile(r"[A-Za-z0-9_][\w.@+-]*"),
    "queue": re.compile(r"[A-Za-z0-9_][\w.@+-]*"),
    "constraint": re.compile(r"[A-Za-z0-9_(\[][\w.&|()\[\]*,+-]*"),
    "mail": re.compile(r"[\w.+-]+(?:@[\w.-]+)?"),
}
PLACEHOLDER = re.compile(r"<.*>|your[_-]?\w*|changeme|xxx+|todo", re.IGNORECASE)


def _directives(plan: Plan) -> tuple[str, ...]:
    return scheduler_of(plan.site.scheduler.kind).directives(plan)


def forbidden_flags(plan: Plan) -> Iterator[Finding]:
    for row in plan.site.directives.forbidden:
        flag = row.flag.replace(" ", "")
        for text in (*_directives(plan), plan.launch):
            if flag in text.replace(" ", ""):
                yield error(10, "directives", f"{plan.site.name} rejects {row.flag}", row.reason)


def accepts_memory(plan: Plan) -> Iterator[Finding]:
    if plan.memory_mib.value is None:
        return
    asked = format_memory(plan.memory_mib.value)
    fact = plan.site.node.mem_gb
    most = fact.value if fact is not None else None
    if plan.site.memory_policy == "none":
        nodes = f"a node has {most} GB" if most else "a job has what the node has"
        yield error(
            11,
            plan.memory_mib.source,
            f"expected no memory request on {plan.site.name}, got {asked}: {nodes}",
        )
    elif most is not None and plan.memory_mib.value > most * 1024:
        note = f" ({fact.note})" if fact is not None and fact.note else ""
        message = f"expected at most {most}G per node on {plan.site.name}{note}, got {asked}"
        yield error(11, plan.memory_mib.source, message)


def required_flags(plan: Plan) -> Iterator[Finding]:
    """Directives that the site demands; a missing account is reported when submitting."""
    said = _directives(plan)
    for row in plan.site.directives.required:
        if row.from_ == "account":
            continue
        if not any(
            text == row.flag or text.startswith((f"{row.flag}=", f"{row.flag} ")) for text in said
        ):
            yield error(12, "directives", f"{plan.site.name} requires {row.flag}", row.reason)


def step_flags(plan: Plan) -> Iterator[Finding]:
    """`srun` does not inherit `-c` from sbatch: it has to be said again."""
    inherits = "srun_no_inherit_cpus" not in plan.site.scheduler.quirks
    if plan.site.launch.cmd != "srun" or inherits:
        return
    if not re.search(r"(?:^| )(?:-c ?\d|--cpus-per-task=\d)", plan.launch):
        message = f"srun on {plan.site.name} does not inherit cores per rank"
        yield error(13, "launch.template", message, "add -c{cores}")


def one_line_each(plan: Plan) -> Iterator[Finding]:
    decisions = plan.decisions()
    for name, pattern in DIRECTIVE_TEXT.items():
        decision = decisions[name]
        if decision.value is not None and not pattern.fullmatch(decision.value):
            message = f"expected letters, digits and a few signs, got {decision.value!r}"
            yield error(28, decision.source, message, f"a {name} is written into a directive")
    for text in _directives(plan):
        if "$" in text or "\n" in text:
            yield error(14, "directives", f"variables are not expanded in {text!r}")


def placeholders(plan: Plan) -> Iterator[Finding]:
    for name in ("account", "mail"):
        decision = plan.decisions()[name]
        if decision.value is not None and PLACEHOLDER.fullmatch(decision.value):
            yield error(29, decision.source, f"{decision.value!r} looks like a placeholder")
