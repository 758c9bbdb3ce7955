"""Several scripts of the same shape as one array job."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from hydria.core.errors import DeployError, Problem
from hydria.deploy.plan import Plan
from hydria.deploy.render import templates
from hydria.deploy.schedulers import Scheduler, scheduler_of

TEMPLATE = "array.sh.j2"


def array_script(plans: Sequence[Plan], files: Sequence[Path], at_once: int) -> str:
    """A script whose member i runs the i-th of `files`, `at_once` of them at a time.

    Raises:
        DeployError: where the scheduler has no arrays, or the jobs ask for different things.
    """
    site = plans[0].site
    scheduler = scheduler_of(site.scheduler.kind)
    if scheduler.array is None:
        message = f"expected a site with Slurm or PBS, got {site.name}: its scheduler has no arrays"
        hint = "without it, jobs are submitted one by one; --one-by-one lets each wait for the last"
        raise DeployError([Problem("--array", message, hint)])
    if len(plans) == 1:
        raise DeployError([Problem("--array", "expected several jobs, got one", "--sweep")])
    shapes = {_directives(scheduler, plan) for plan in plans}
    if len(shapes) > 1:
        message = "expected jobs that ask for the same nodes, time and memory"
        raise DeployError(
            [Problem("--array", message, "--sweep Section.key=1,2,3 gives such jobs")]
        )
    array = scheduler.array
    own = (
        scheduler.named(f"{plans[0].config.name}-array"),
        array.directive.format(last=len(plans) - 1, at_once=at_once),
    )
    return (
        templates()
        .get_template(TEMPLATE)
        .render(
            sentinel=scheduler.sentinel,
            directives=(*own, *shapes.pop()),
            at_once=at_once,
            scripts=[shlex.quote(str(file)) for file in files],
            folder_variable=array.folder_variable,
            index_variable=array.index_variable,
            command=scheduler.submit_command[0],
        )
    )


def _directives(scheduler: Scheduler, plan: Plan) -> tuple[str, ...]:
    """What the scheduler is told, but for the name."""
    name = scheduler.named(plan.config.slug)
    return tuple(text for text in scheduler.directives(plan) if text != name)
