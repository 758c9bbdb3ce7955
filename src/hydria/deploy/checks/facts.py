"""Checks 17, 20 and 21: facts that are unknown, unverified or old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from hydria.config.site import Site, Sourced, statements
from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.plan import Plan

OLD_AFTER_DAYS = 180


def stale(site: Site, today: date) -> list[tuple[str, Sourced, int | None]]:
    """Facts that say where they come from and are too old: path, fact, age in days or None."""
    found: list[tuple[str, Sourced, int | None]] = []
    for path, fact in statements(site):
        day = site.dated(fact)
        age = None if day is None else (today - day).days
        if fact.source and (age is None or age > OLD_AFTER_DAYS):
            found.append((path, fact, age))
    return found


def old_facts(site: Site, today: date) -> Iterator[Finding]:
    count = len(stale(site, today))
    if count:
        message = f"facts older than {OLD_AFTER_DAYS} days: {count}"
        yield warning(20, f"site {site.name}", message, f"hydria site check {site.name} lists them")


def image_needs_runtime(plan: Plan) -> Iterator[Finding]:
    """An image needs a runtime that is known; so far Apptainer's command line is printed."""
    if plan.image.value is None:
        return
    runtime = plan.site.container.runtime.value
    if runtime is None:
        message = f"container.runtime is unknown on {plan.site.name}"
        yield error(21, plan.image.source, message, "leave --image out, or find it out")
    elif runtime not in {"apptainer", "singularity"}:
        message = f"expected no image on {plan.site.name} (container.runtime: {runtime})"
        yield error(21, plan.image.source, f"{message}, got {plan.image.value!r}")


def unverified_fabric(plan: Plan) -> Iterator[Finding]:
    fabric = plan.site.container.fabric
    if plan.image.value is not None and plan.nodes.value > 1 and fabric != "native":
        message = (
            f"container.fabric is {fabric} on {plan.site.name}: nodes may not reach each other"
        )
        yield error(17, plan.nodes.source, message, "one node, or no image")
