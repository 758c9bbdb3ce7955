"""`hydria job`: plan, check and render a job script."""

from __future__ import annotations

import json as json_module

import typer

from hydria.cli import job_options as option
from hydria.deploy.plan import as_json
from hydria.deploy.render import shape_of, time_of
from hydria.deploy.schedulers import scheduler_of

app = typer.Typer(help="Plan, check and render a job script.", rich_markup_mode=None)


@app.command()
def job(
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
    json: option.Json = False,
) -> None:
    """Write the script that trains CONFIG on SITE.

    What is left out comes from the config's Job section, HYDRIA_* variables,
    ~/.config/hydria.yaml and the site's defaults, in that order.
    """
    written = option.write_job(
        site, config, overrides or [], out,
        nodes=nodes, gpus=gpus, cpus=cpus, memory=mem, walltime=walltime, account=account,
        queue=queue, constraint=constraint, mail=mail, image=image, venv=venv, data=data,
        run_dir=run_dir, env=env,
    )  # fmt: skip
    plan, scheduler = written.plan, scheduler_of(written.plan.site.scheduler.kind)
    option.say_notes(written)
    if json:
        tree = as_json(plan, scheduler.directives(plan)) | {"script": str(written.file)}
        print(json_module.dumps(tree, indent=2, ensure_ascii=False))
        return
    print(f"{written.file}: {shape_of(plan)}, {time_of(plan)}")
    print(f"submit with: {scheduler.how_to_submit(plan, str(written.file))}")
