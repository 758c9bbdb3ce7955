"""Checks: each judges a plan, refuses with what would work, or warns.

The numbers are stable: messages, tests and documentation refer to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from hydria.core.errors import DeployError, Problem
from hydria.deploy.checks.directives import (
    accepts_memory,
    forbidden_flags,
    one_line_each,
    placeholders,
    required_flags,
    step_flags,
)
from hydria.deploy.checks.environment import (
    cache_folders,
    contradictions,
    fabric_of_one_node,
    names_of_variables,
    texts_of_variables,
)
from hydria.deploy.checks.facts import image_needs_runtime, old_facts, unverified_fabric
from hydria.deploy.checks.finding import Finding
from hydria.deploy.checks.image import image_fits
from hydria.deploy.checks.limits import (
    known_queue,
    limits,
    nodes_of_launcher,
    not_for_production,
    warning_before_end,
)
from hydria.deploy.checks.placement import (
    cores_exist,
    gpus_exist,
    nearest_gpus,
    one_memory_domain,
    threads_fit,
)
from hydria.deploy.checks.script import bash_accepts, says_its_plan
from hydria.deploy.checks.storage import node_local_used, plain_paths
from hydria.deploy.plan import Plan
from hydria.deploy.render import Script

Check = Callable[[Plan], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    known_queue,
    limits,
    nodes_of_launcher,
    not_for_production,
    gpus_exist,
    cores_exist,
    one_memory_domain,
    nearest_gpus,
    forbidden_flags,
    accepts_memory,
    required_flags,
    step_flags,
    image_needs_runtime,
    image_fits,
    unverified_fabric,
    fabric_of_one_node,
    names_of_variables,
    texts_of_variables,
    contradictions,
    cache_folders,
    node_local_used,
    threads_fit,
    warning_before_end,
    one_line_each,
    plain_paths,
    placeholders,
)


def judge(plan: Plan, today: date | None = None) -> list[Finding]:
    """What every check has to say about a plan, in the order of `CHECKS`."""
    found = [finding for check in CHECKS for finding in check(plan)]
    return found + list(old_facts(plan.site, today or date.today()))


def judge_script(plan: Plan, script: Script) -> list[Finding]:
    """Check 30: the script is bash, and says what was planned."""
    return [*says_its_plan(plan, script), *bash_accepts(script)]


def refuse(findings: Iterable[Finding]) -> list[Finding]:
    """Raise DeployError with all errors; return the warnings."""
    findings = list(findings)
    errors = [finding for finding in findings if finding.level == "E"]
    if errors:
        raise DeployError([Problem(error.where, error.message, error.hint) for error in errors])
    return findings


__all__ = ["CHECKS", "Finding", "judge", "judge_script", "refuse"]
