"""`hydria submit`: render job scripts and hand them to the scheduler."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.job_options import Asked, takes_job_options
from hydria.cli.job_scripts import Job, say_notes, write_jobs, write_script
from hydria.core.errors import DeployError, Problem
from hydria.deploy.checks.limits import number_of_jobs
from hydria.deploy.plan import Plan
from hydria.deploy.submit import UNKNOWN_ID, may_submit, run_folder, submit, submit_line

app = typer.Typer(help="Render a job script and hand it to the scheduler.", rich_markup_mode=None)


@app.command("submit")
@takes_job_options
def command(
    asked: Asked,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write scripts, print the commands, submit nothing.")
    ] = False,
    chain: Annotated[
        int, typer.Option("--chain", min=1, help="Jobs that go on with the run, one after another.")
    ] = 1,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="Each job of a --sweep waits for the one before.")
    ] = False,
    array: Annotated[
        int | None, typer.Option("--array", min=1, help="A --sweep as one array, N at a time.")
    ] = None,
) -> None:
    """Do what `hydria job` does, then sbatch, qsub, flux batch or bash; the exit code is theirs.

    The id of the job is noted in the run folder, in job/submitted.jsonl.
    """
    jobs = write_jobs(asked)
    for written in jobs:
        may_submit(written.plan)
        if chain > 1 and written.plan.requeues.value:
            message = (
                f"expected no chain on {written.plan.site.name}, where jobs go on by themselves"
            )
            raise DeployError([Problem("--chain", message)])
    say_notes(jobs)
    if array is not None:
        _as_array(jobs, array, dry_run)
        return
    for finding in number_of_jobs(jobs[0].plan, len(jobs) * chain, chained=chain > 1):
        print(f"hydria: {finding}", file=sys.stderr)
    before = ""
    for written in jobs:
        before = before if one_by_one else ""
        for number in range(chain):
            before = _hand_over([written.plan], written.file, dry_run, before, number)


def _as_array(jobs: Sequence[Job], at_once: int, dry_run: bool) -> None:
    """Submit one script that runs all of them."""
    from hydria.deploy.array import array_script

    plans, files = [job.plan for job in jobs], [job.file for job in jobs]
    text = array_script(plans, files, at_once)
    file = files[0].with_name(f"{plans[0].config.name}-array{files[0].suffix}")
    write_script(file, text)
    _hand_over(plans, file, dry_run)


def _hand_over(
    plans: Sequence[Plan], file: Path, dry_run: bool, after: str = "", number: int = 0
) -> str:
    """Submit one script; the id of the job. Ends the command where the scheduler refuses."""
    if dry_run:
        print(submit_line(plans[0], file, after, number))
        for plan in plans:
            print(f"  run folder {run_folder(plan, os.environ) or plan.run_dir.value.text}")
        return UNKNOWN_ID
    print(f"{file}", flush=True)
    handed = submit(plans, file, os.environ, after, number)
    if handed.code or not handed.job_id:
        sys.stdout.flush()
        sys.exit(handed.code)
    return handed.job_id
