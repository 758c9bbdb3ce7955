"""`hydria job`: plan, check and render job scripts."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from typing import Annotated

import typer

from hydria.cli.job_options import Asked, takes_job_options
from hydria.cli.job_scripts import Job, say_notes, tree_of, write_jobs
from hydria.deploy.cost import costs
from hydria.deploy.render import shape_of, time_of
from hydria.deploy.schedulers import scheduler_of

app = typer.Typer(help="Plan, check and render a job script.", rich_markup_mode=None)


@app.command()
@takes_job_options
def job(
    asked: Asked,
    json: Annotated[
        bool, typer.Option("--json", help="Print the plan with reasons and sources.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the plan and its cost for people.")
    ] = False,
    lint: Annotated[bool, typer.Option("--lint", help="Let shellcheck read the script.")] = False,
) -> None:
    """Write the script that trains CONFIG on SITE, or does another --task there.

    What is left out comes from the config's Job section, HYDRIA_* variables,
    ~/.config/hydria.yaml and the site's defaults, in that order.
    """
    jobs = write_jobs(asked)
    say_notes(jobs)
    if lint:
        from hydria.cli.job_lint import lint as shellcheck

        shellcheck([written.file for written in jobs])
    if json:
        trees = [tree_of(written) for written in jobs]
        shown = trees if asked.sweep else trees[0]
        print(json_module.dumps(shown, indent=2, ensure_ascii=False))
    elif explain:
        _explain(jobs)
    else:
        _tell(jobs)


def _explain(jobs: Sequence[Job]) -> None:
    from hydria.deploy.plan_page import page

    for written in jobs:
        print("\n".join([*page(written.plan), "", f"script  {written.file}", ""]))


def _tell(jobs: Sequence[Job]) -> None:
    for written in jobs:
        plan = written.plan
        most = "".join(f", at most {cost.amount:g} {cost.unit}" for cost in costs(plan)[:1])
        print(f"{written.file}: {shape_of(plan)}, {time_of(plan)}{most if len(jobs) > 1 else ''}")
    if len(jobs) == 1:
        plan, file = jobs[0].plan, str(jobs[0].file)
        told = scheduler_of(plan.site.scheduler.kind).how_to_submit(plan, file)
        print(f"submit with: {told}")
    else:
        print("submit all with the same line, `submit` in the place of `job`: hydria submit …")
