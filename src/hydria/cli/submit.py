"""`hydria submit`: render a job script and hand it to the scheduler."""

from __future__ import annotations

import os
import sys

import typer

from hydria.cli import job_options as option
from hydria.deploy.submit import may_submit, submit

app = typer.Typer(help="Render a job script and hand it to the scheduler.", rich_markup_mode=None)


@app.command("submit")
def command(
    site: option.Site,
    config: option.Config,
    overrides: option.Overrides = None,
    nodes: option.Nodes = None,
    gpus: option.Gpus = None,
    cpus: option.Cpus = None,
    mem: option.Mem = None,
    walltime: option.Walltime = None,
    account: option.Account = None,
    queue: option.Queue = None,
    constraint: option.Constraint = None,
    mail: option.Mail = None,
    image: option.Image = None,
    venv: option.Venv = None,
    data: option.Data = None,
    run_dir: option.RunDir = None,
    env: option.Env = None,
    out: option.Out = None,
) -> None:
    """Do what `hydria job` does, then sbatch, qsub or bash; the exit code is theirs."""
    written = option.write_job(
        site, config, overrides or [], out,
        nodes=nodes, gpus=gpus, cpus=cpus, memory=mem, walltime=walltime, account=account,
        queue=queue, constraint=constraint, mail=mail, image=image, venv=venv, data=data,
        run_dir=run_dir, env=env,
    )  # fmt: skip
    may_submit(written.plan)
    option.say_notes(written)
    print(f"{written.file}", flush=True)
    sys.exit(submit(written.plan, written.file, os.environ))
