"""Checks 17, 20, 21 and 23: facts that are unknown, unverified, old or contradictory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import combinations
from pathlib import PurePosixPath

from hydria.config.facts import Sourced, statements
from hydria.config.site import Conflict, Site
from hydria.core.errors import listed
from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.images.container import PYTHON
from hydria.deploy.launching import template_of
from hydria.deploy.plan import Decision, Plan
from hydria.deploy.quoting import ShellText
from hydria.deploy.runtimes import injected_binds

OLD_AFTER_DAYS = 180


def stale(site: Site, today: date) -> list[tuple[str, Sourced, int | None]]:
    """Facts that say where they come from and are too old: path, fact, age in days or None."""
    found: list[tuple[str, Sourced, int | None]] = []
    for path, fact in statements(site):
        if isinstance(fact, Conflict):
            continue  # tells what others say, and is not used
        day = site.dated(fact)
        age = None if day is None else (today - day).days
        if fact.source and (age is None or age > OLD_AFTER_DAYS):
            found.append((path, fact, age))
    return found


def old_facts(site: Site, today: date) -> Iterator[Finding]:
    ages = [age for _, _, age in stale(site, today)]
    undated, contradicted = ages.count(None), len(site.conflicts)
    old = len(ages) - undated
    said = [f"facts older than {OLD_AFTER_DAYS} days: {old}"] if old else []
    said += [f"facts without a date: {undated}"] if undated else []
    said += [f"facts that sources contradict: {contradicted}"] if contradicted else []
    if said:
        hint = f"hydria site check {site.name} lists them"
        yield warning(20, f"site {site.name}", "; ".join(said), hint)


def scratch_known(plan: Plan) -> Iterator[Finding]:
    """Folders of the job lie on the machine's scratch unless somebody names them."""
    missing = [flag for flag, path in _folders(plan) if not path.value.text]
    if not missing:
        return
    fact = plan.site.storage.scratch
    note = f" ({fact.note})" if fact.note else ""
    given = " ".join(f"{flag} DIR" for flag in missing)
    message = f"storage.scratch is unknown on {plan.site.name}{note}"
    yield error(21, ", ".join(missing), message, f"{given}, or --assume storage.scratch=DIR")


def _folders(plan: Plan) -> tuple[tuple[str, Decision[ShellText]], ...]:
    return ("--data", plan.data_root), ("--run-dir", plan.run_dir)


def image_needs_runtime(plan: Plan) -> Iterator[Finding]:
    """An image needs a runtime that is known, and there."""
    if plan.image.value is None:
        return
    runtime = plan.site.container.runtime.value
    if runtime is None:
        message = f"container.runtime is unknown on {plan.site.name}"
        yield error(21, plan.image.source, message, "--assume container.runtime=…, or no --image")
    elif runtime == "none":
        message = f"expected no image on {plan.site.name} (container.runtime: {runtime})"
        yield error(21, plan.image.source, f"{message}, got {plan.image.value!r}")


def unverified_fabric(plan: Plan) -> Iterator[Finding]:
    fabric = plan.site.container.fabric
    if plan.image.value is None or plan.nodes.value == 1 or fabric == "native":
        return
    if not plan.accept_unverified:
        message = (
            f"container.fabric is {fabric} on {plan.site.name}: nodes may not reach each other"
        )
        hint = "one node, no image, or --accept-unverified"
        yield error(17, plan.nodes.source, message, hint)


def cores_known(plan: Plan) -> Iterator[Finding]:
    """A launcher that is told cores needs to know them."""
    template = template_of(plan.site.launch, plan.gpus_per_node.value) if plan.launch else ""
    told = any(name in template for name in ("{cores}", "{hwthreads}"))
    if told and plan.cores_per_rank.value is None:
        message = f"node.cores is unknown on {plan.site.name}, and the launcher is told them"
        yield error(21, "launch", message, "--cpus N per node, or --assume node.cores=N")


def gpus_known(plan: Plan) -> Iterator[Finding]:
    """A machine with GPUs of which nobody knows how many."""
    gpus, asked = plan.site.node.gpus, plan.gpus_per_node
    if gpus is None or gpus.vendor is None or gpus.count.value is not None or asked.value:
        return
    if asked.source == f"site {plan.site.name}":
        message = f"node.gpus.count is unknown on {plan.site.name}"
        yield error(21, "--gpus", message, "--gpus N, or --assume node.gpus.count=N")


def injections_agree(plan: Plan) -> Iterator[Finding]:
    """Check 23: what is injected into a container exists and does not contradict itself."""
    rows = {row.name: row for row in plan.site.container.injections}
    for name in plan.asked_injections:
        if name not in rows:
            hint = f"it has {listed(rows)}" if rows else None
            yield error(23, "--inject", f"{plan.site.name} has no injection {name!r}", hint)
    active = [rows[name] for name in plan.injections]
    for row, other in combinations(active, 2):
        if other.name in row.conflicts or row.name in other.conflicts:
            message = f"injections {row.name!r} and {other.name!r} exclude each other"
            yield error(23, "--inject", f"{message} on {plan.site.name}", "ask for one of them")
    for bind in injected_binds(plan):
        source, _, options = bind.partition(":")
        target = options.partition(":")[0] or source
        if PurePosixPath(PYTHON).is_relative_to(target):
            message = f"bind {bind!r} of {plan.site.name} hides {PYTHON} of the image"
            yield error(23, "container.injections", message, "bind only the folders below it")
