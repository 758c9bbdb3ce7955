"""From what a person asks for to checked scripts on disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydria.cli.job_options import Asked
from hydria.config import LoadedConfig, load_config
from hydria.config.not_yet import not_yet
from hydria.core.errors import ConfigError, DeployError, Problem
from hydria.core.files import write_text_atomic
from hydria.deploy.checks import judge, judge_script, refuse
from hydria.deploy.cost import costs
from hydria.deploy.plan import Plan
from hydria.deploy.planner import make_plan
from hydria.deploy.render import account_note, missing_account, render
from hydria.deploy.request import gather
from hydria.deploy.schedulers import scheduler_of
from hydria.deploy.sites import load_site
from hydria.deploy.task import OWN_SCRIPT, WITHOUT_CONFIG, Task, make_task

RENDERED = Path("jobs/rendered")
OVERRIDDEN = frozenset({"train", "prepare"})


@dataclass(frozen=True)
class Job:
    """A script on disk, its plan, and what is to be said about it."""

    plan: Plan
    file: Path
    notes: tuple[str, ...]


def write_jobs(asked: Asked) -> list[Job]:
    """The job that is asked for, or one for each variant of a sweep; none if one is refused."""
    from hydria.deploy.sweep import read_sweep

    if not asked.sweep:
        return [write_job(asked)]
    variants = read_sweep(asked.sweep)
    kind = OWN_SCRIPT if asked.script else asked.task or "train"
    if kind not in OVERRIDDEN and any(variant.overrides for variant in variants):
        message = (
            f"expected nodes, gpus, cpus or ranks for {kind}, which no key of a config changes"
        )
        raise DeployError([Problem("--sweep", message)])
    return [
        write_job(
            replace(asked, **variant.counts, words=[*(asked.words or []), *variant.overrides]),
            variant.label,
        )
        for variant in variants
    ]


def write_job(asked: Asked, label: str = "") -> Job:
    """Plan, check, render, read back and write one script.

    Args:
        label: what tells this job from its siblings; part of its name and of its run folder.

    Raises:
        HydriaError: with everything that the person must change; nothing is written then.
    """
    task, loaded = _task_and_config(asked)
    loaded_site = load_site(asked.site, asked.assume or ())
    told = {"env": _variables(asked.env or []), "directives": asked.directives or None}
    flags = asked.flags() | told
    request = gather(flags, loaded.config.job if loaded else None, os.environ, loaded_site.site)
    plan = make_plan(loaded_site, loaded, request, task, label, asked.accept_unverified)
    findings = refuse(judge(plan))
    own = asked.out if asked.out and not label else None
    # a name that fits no line of a comment is left out of it
    script = render(plan, own.name if own and own.name.isprintable() else "")
    findings += refuse(judge_script(plan, script))
    folder = asked.out if label and asked.out else RENDERED / plan.site.name
    file = own or folder / f"{plan.stem}.{script.extension}"
    write_script(file, script.text)
    notes = [*_account(plan), *(loaded.warnings if loaded else ()), *map(str, findings)]
    return Job(plan, file, tuple(notes))


def _task_and_config(asked: Asked) -> tuple[Task, LoadedConfig | None]:
    """Words are overrides of a config that is trained, and arguments of everything else."""
    task = make_task(asked.task, asked.script, ())
    words = asked.words or []
    overrides: Sequence[str] = ()
    if task.kind in OVERRIDDEN:
        overrides = words
    else:
        task = replace(task, arguments=tuple(words))
    if asked.config is not None:
        loaded = load_config(asked.config, overrides)
        if task.trains and (later := not_yet(loaded.config)):
            raise ConfigError(later)
        return task, loaded
    if task.kind not in WITHOUT_CONFIG:
        message = f"expected a config, which {task.kind} needs, got none"
        raise DeployError([Problem("--config", message, "a file, or a name in configs/")])
    return task, None


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


def write_script(file: Path, text: str) -> None:
    """Replace the file, whole or not at all; DeployError where it cannot be written."""
    try:
        if file.is_dir():
            raise IsADirectoryError("it is a folder")
        write_text_atomic(file, text)
    except OSError as err:
        reason = err.strerror or str(err)
        raise DeployError([Problem("--out", f"cannot write {file}: {reason}")]) from err


def say_notes(jobs: Sequence[Job]) -> None:
    """Each note once, to stderr, so that stdout can be read by programs."""
    for note in dict.fromkeys(note for job in jobs for note in job.notes):
        print(f"hydria: {note}", file=sys.stderr)


def tree_of(job: Job) -> dict[str, Any]:
    """The plan for other programs."""
    from hydria.deploy.plan import as_json

    directives = scheduler_of(job.plan.site.scheduler.kind).directives(job.plan)
    more = {"costs": [vars(cost) for cost in costs(job.plan)], "script": str(job.file)}
    return as_json(job.plan, directives) | more
