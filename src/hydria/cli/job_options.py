"""The options that `hydria job` and `hydria submit` share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from hydria.config.job import JobConfig

Option = typer.Option


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asks for, as it was typed; None where nothing was said."""

    site: Annotated[str, Option("--site", help="Machine; `hydria site list` names them.")]
    config: Annotated[
        str | None, Option("--config", help="Config file, or a name in configs/.")
    ] = None
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Section.key=value; for --script, predict and doctor: their arguments, after --",
            show_default=False,
        ),
    ] = None
    task: Annotated[
        str | None, Option("--task", help="train (when left out), prepare, predict or doctor.")
    ] = None
    script: Annotated[
        str | None, Option("--script", help="Run this file on every rank instead.")
    ] = None
    nodes: Annotated[int | None, Option("--nodes", help="Nodes.")] = None
    gpus: Annotated[int | None, Option("--gpus", help="GPUs per node; one rank each.")] = None
    cpus: Annotated[int | None, Option("--cpus", help="CPU cores per node.")] = None
    ranks: Annotated[
        int | None, Option("--ranks", help="Ranks per node, where they need no GPU.")
    ] = None
    memory: Annotated[str | None, Option("--mem", help="Host memory per node, such as 64G.")] = None
    walltime: Annotated[str | None, Option("--walltime", help="HH:MM:SS, 2h, 90m.")] = None
    account: Annotated[str | None, Option("--account", help="Project that is charged.")] = None
    queue: Annotated[str | None, Option("--queue", help="Queue, partition or QOS.")] = None
    constraint: Annotated[str | None, Option("--constraint", help="Feature or GPU model.")] = None
    mail: Annotated[str | None, Option("--mail", help="Address for the scheduler's mail.")] = None
    image: Annotated[str | None, Option("--image", help="Image; none: an installed hydria.")] = None
    venv: Annotated[str | None, Option("--venv", help="Environment with hydria, no image.")] = None
    data: Annotated[str | None, Option("--data", help="Data root on the machine.")] = None
    run_dir: Annotated[str | None, Option("--run-dir", help="Run folder on the machine.")] = None
    filesystems: Annotated[
        str | None, Option("--filesystems", help="File systems of the job, such as home:flare.")
    ] = None
    directives: Annotated[
        list[str] | None, Option("--directive", help="One more for the scheduler; repeatable.")
    ] = None
    inject: Annotated[
        list[str] | None, Option("--inject", help="An injection of the site; repeatable.")
    ] = None
    stage: Annotated[
        str | None, Option("--stage", help="To the nodes' disks: none, image, data or all.")
    ] = None
    preflight: Annotated[
        bool | None, Option("--preflight/--no-preflight", help="Check every rank's place first.")
    ] = None
    env: Annotated[list[str] | None, Option("--env", help="K=V for the ranks; repeatable.")] = None
    assume: Annotated[
        list[str] | None, Option("--assume", help="path=value for an unknown fact; repeatable.")
    ] = None
    accept_unverified: Annotated[
        bool, Option("--accept-unverified", help="Go on where the site says `unverified`.")
    ] = False
    sweep: Annotated[
        list[str] | None,
        Option("--sweep", help="nodes=1,2,4: a job for each (or gpus, cpus, ranks); repeatable."),
    ] = None
    out: Annotated[
        Path | None, Option("--out", help="Where the script is written; a folder for a sweep.")
    ] = None

    def flags(self) -> dict[str, Any]:
        """Options that a config, a variable or the site may give as well, by key."""
        return {key: getattr(self, key) for key in JobConfig.model_fields}


def takes_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command(asked, **own)` all options of `Asked`, and its own after them."""
    own = inspect.signature(command, eval_str=True).parameters
    mine = {name: own[name] for name in own if name != "asked"}
    shared = _parameters(get_type_hints(Asked, include_extras=True))

    @wraps(command)
    def called(**values: Any) -> None:
        asked = Asked(**{name: values[name] for name in shared})
        command(asked, **{name: values[name] for name in mine})

    both = {**shared, **mine}
    called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in both.values()]
    )
    called.__annotations__ = {name: parameter.annotation for name, parameter in both.items()}
    return called


def _parameters(hints: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
    kind, empty = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    defaults = {field.name: field.default for field in fields(Asked)}
    defaults["site"] = empty
    return {
        name: inspect.Parameter(name, kind, default=defaults[name], annotation=hint)
        for name, hint in hints.items()
    }
