"""Checks: each judges a plan, refuses with what would work, or warns.

The numbers are stable: messages, tests and documentation refer to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from hydria.core.errors import DeployError, Problem
from hydria.deploy.checks.directives import (
    accepts_memory,
    account_of_paths,
    constraint_is_used,
    filesystems_exist,
    forbidden_flags,
    one_line_each,
    one_memory_flag,
    peers_visible,
    planned_twice,
    required_flags,
    step_flags,
)
from hydria.deploy.checks.environment import (
    cache_folders,
    contradictions,
    names_of_variables,
    plugin_known,
    plugin_there,
    rendezvous_allowed,
    texts_of_variables,
)
from hydria.deploy.checks.facts import (
    cores_known,
    gpus_known,
    image_needs_runtime,
    injections_agree,
    old_facts,
    scratch_known,
    unverified_fabric,
)
from hydria.deploy.checks.finding import Finding
from hydria.deploy.checks.image import image_fits
from hydria.deploy.checks.kernels import backend_fits, image_by_name, kernels_exist
from hydria.deploy.checks.limits import (
    known_queue,
    limits,
    nodes_of_launcher,
    not_for_production,
    one_at_a_time,
    saved_before_end,
)
from hydria.deploy.checks.placeholders import placeholders
from hydria.deploy.checks.placement import (
    batches_fit,
    cores_exist,
    gpus_exist,
    listed_width,
    nearest_gpus,
    one_memory_domain,
    places_exist,
    threads_fit,
    whole_node_for_masks,
)
from hydria.deploy.checks.script import (
    bash_accepts,
    directives_are_read,
    says_its_plan,
    staging_is_tested,
)
from hydria.deploy.checks.storage import (
    node_local_asked,
    plain_paths,
    plain_words,
    staged_parts_fit,
)
from hydria.deploy.plan import Plan
from hydria.deploy.render import Script

Check = Callable[[Plan], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    known_queue,
    limits,
    nodes_of_launcher,
    not_for_production,
    one_at_a_time,
    scratch_known,
    gpus_known,
    gpus_exist,
    cores_known,
    cores_exist,
    listed_width,
    whole_node_for_masks,
    places_exist,
    one_memory_domain,
    nearest_gpus,
    peers_visible,
    forbidden_flags,
    accepts_memory,
    one_memory_flag,
    required_flags,
    constraint_is_used,
    account_of_paths,
    filesystems_exist,
    step_flags,
    injections_agree,
    image_needs_runtime,
    image_fits,
    image_by_name,
    kernels_exist,
    backend_fits,
    unverified_fabric,
    plugin_there,
    rendezvous_allowed,
    plugin_known,
    names_of_variables,
    texts_of_variables,
    contradictions,
    cache_folders,
    node_local_asked,
    staged_parts_fit,
    threads_fit,
    batches_fit,
    saved_before_end,
    planned_twice,
    one_line_each,
    plain_paths,
    plain_words,
    placeholders,
)


def judge(plan: Plan, today: date | None = None) -> list[Finding]:
    """What every check has to say about a plan, in the order of `CHECKS`."""
    found = [finding for check in CHECKS for finding in check(plan)]
    return found + list(old_facts(plan.site, today or date.today()))


def judge_script(plan: Plan, script: Script) -> list[Finding]:
    """Checks 14, 25 and 30: the script is bash, says what was planned, and looks at its copies."""
    return [
        *says_its_plan(plan, script),
        *directives_are_read(plan, script),
        *staging_is_tested(script),
        *bash_accepts(script),
    ]


def refuse(findings: Iterable[Finding]) -> list[Finding]:
    """Raise DeployError with all errors; return the warnings."""
    findings = list(findings)
    errors = [finding for finding in findings if finding.level == "E"]
    if errors:
        raise DeployError([Problem(error.where, error.message, error.hint) for error in errors])
    return findings


__all__ = ["CHECKS", "Finding", "judge", "judge_script", "refuse"]
