"""What `hydria job` and `hydria submit` share: their options, and the way to a checked script."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hydria.config import load_config
from hydria.core.errors import DeployError, Problem
from hydria.core.files import write_text_atomic
from hydria.deploy.checks import judge, judge_script, refuse
from hydria.deploy.plan import Plan
from hydria.deploy.planner import make_plan
from hydria.deploy.render import account_note, missing_account, render
from hydria.deploy.request import gather
from hydria.deploy.schedulers import scheduler_of
from hydria.deploy.sites import load_site

RENDERED = Path("jobs/rendered")

Site = Annotated[str, typer.Option("--site", help="Machine; `hydria site list` names them.")]
Config = Annotated[str, typer.Option("--config", help="Config file, or a name in configs/.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Section.key=value", show_default=False)
]
Nodes = Annotated[int | None, typer.Option("--nodes", help="Nodes.")]
Gpus = Annotated[int | None, typer.Option("--gpus", help="GPUs per node; one rank each.")]
Cpus = Annotated[int | None, typer.Option("--cpus", help="CPU cores per node.")]
Mem = Annotated[str | None, typer.Option("--mem", help="Host memory per node, such as 64G.")]
Walltime = Annotated[str | None, typer.Option("--walltime", help="HH:MM:SS, 2h, 90m.")]
Account = Annotated[str | None, typer.Option("--account", help="Project that is charged.")]
Queue = Annotated[str | None, typer.Option("--queue", help="Queue, partition or QOS.")]
Constraint = Annotated[str | None, typer.Option("--constraint", help="Feature or GPU model.")]
Mail = Annotated[str | None, typer.Option("--mail", help="Address for the scheduler's mail.")]
Image = Annotated[str | None, typer.Option("--image", help="Image; none: an installed hydria.")]
Venv = Annotated[str | None, typer.Option("--venv", help="Environment with hydria, no image.")]
Data = Annotated[str | None, typer.Option("--data", help="Data root on the machine.")]
RunDir = Annotated[str | None, typer.Option("--run-dir", help="Run folder on the machine.")]
Env = Annotated[list[str] | None, typer.Option("--env", help="K=V for the ranks; repeatable.")]
Out = Annotated[Path | None, typer.Option("--out", help="Where the script is written.")]
Json = Annotated[bool, typer.Option("--json", help="Print the plan with reasons and sources.")]


@dataclass(frozen=True)
class Job:
    """A script on disk, its plan, and what is to be said about it."""

    plan: Plan
    file: Path
    notes: tuple[str, ...]


def write_job(
    site: str, config: str, overrides: Sequence[str], out: Path | None, **flags: Any
) -> Job:
    """Plan, check, render, read back and write one script.

    Raises:
        HydriaError: with everything that the person must change; nothing is written then.
    """
    loaded_site = load_site(site)
    loaded = load_config(config, overrides)
    flags["env"] = _variables(flags.pop("env") or [])
    request = gather(flags, loaded.config.job, os.environ, loaded_site.site)
    plan = make_plan(loaded_site, loaded, request)
    findings = refuse(judge(plan))
    script = render(plan)
    findings += refuse(judge_script(plan, script))
    name = f"{plan.config.slug}.{script.extension}"
    file = out or RENDERED / plan.site.name / name
    _write(file, script.text)
    notes = [*_account(plan), *loaded.warnings, *map(str, findings)]
    return Job(plan, file, tuple(notes))


def _variables(pairs: Sequence[str]) -> dict[str, str] | None:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise DeployError([Problem("--env", f"expected K=V, got {pair!r}") for pair in wrong])
    split = (pair.partition("=") for pair in pairs)
    return {name: value for name, _, value in split} or None


def _account(plan: Plan) -> list[str]:
    if not missing_account(plan):
        return []
    return [account_note(plan, scheduler_of(plan.site.scheduler.kind))]


def _write(file: Path, text: str) -> None:
    try:
        if file.is_dir():
            raise IsADirectoryError("it is a folder")
        write_text_atomic(file, text)
    except OSError as err:
        reason = err.strerror or str(err)
        raise DeployError([Problem("--out", f"cannot write {file}: {reason}")]) from err


def say_notes(job: Job) -> None:
    """Notes go to stderr, so that stdout can be read by programs."""
    for note in job.notes:
        print(f"hydria: {note}", file=sys.stderr)
