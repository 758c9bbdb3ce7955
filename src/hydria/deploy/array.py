"""Several scripts of the same shape as one array job."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from hydria.core.errors import DeployError, Problem
from hydria.deploy.plan import Plan
from hydria.deploy.render import templates
from hydria.deploy.schedulers import scheduler_of

NAME = "--job-name"
TEMPLATE = "array.slurm.sh.j2"


def array_script(plans: Sequence[Plan], files: Sequence[Path], at_once: int) -> str:
    """A script whose member i runs the i-th of `files`, `at_once` of them at a time.

    Raises:
        DeployError: where the scheduler has no arrays that are known here, or the jobs ask for
            different things.
    """
    first = plans[0]
    if first.site.scheduler.kind != "slurm":
        message = f"expected a site with Slurm, got {first.site.name}"
        raise DeployError(
            [Problem("--array", message, "without it, jobs are submitted one by one")]
        )
    shapes = {_directives(plan) for plan in plans}
    if len(shapes) > 1:
        message = "expected jobs that ask for the same nodes, time and memory"
        raise DeployError(
            [Problem("--array", message, "--sweep Section.key=1,2,3 gives such jobs")]
        )
    return (
        templates()
        .get_template(TEMPLATE)
        .render(
            directives=shapes.pop(),
            name=f"{first.config.name}-array",
            last=len(plans) - 1,
            at_once=at_once,
            scripts=[shlex.quote(str(file)) for file in files],
        )
    )


def _directives(plan: Plan) -> tuple[str, ...]:
    """What the scheduler is told, but for the name."""
    told = scheduler_of(plan.site.scheduler.kind).directives(plan)
    return tuple(text for text in told if not text.startswith(NAME))
