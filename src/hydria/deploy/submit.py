"""Scripts to their scheduler, and what it called them into their run folders."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydria.core.errors import DeployError, Problem
from hydria.core.files import sha256_file
from hydria.deploy.checks.placeholders import is_placeholder
from hydria.deploy.plan import Plan
from hydria.deploy.render import missing_account
from hydria.deploy.schedulers import scheduler_of

# In the run folder: one JSON object for each submission.
RECORD = Path("job/submitted.jsonl")
UNKNOWN_ID = "ID"
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Handed:
    """What became of one submission.

    Attributes:
        code: exit code of the scheduler's command, or of the script where there is none.
        job_id: what the scheduler calls the job; empty without a scheduler.
    """

    code: int
    job_id: str = ""


def may_submit(plan: Plan) -> None:
    """DeployError unless the scheduler is here and would charge the job to somebody."""
    if missing_account(plan):
        hint = "--account, HYDRIA_ACCOUNT, SBATCH_ACCOUNT or `account:` in ~/.config/hydria.yaml"
        message = f"{plan.site.name} charges every job to a project, and none was given"
        raise DeployError([Problem("--account", message, hint)])
    if plan.account.value is not None and is_placeholder(plan.account.value):
        message = f"expected a project that can be charged, got {plan.account.value!r}"
        raise DeployError([Problem(plan.account.source, message, "put your own in its place")])


def submit_line(plan: Plan, script: Path, after: str = "", number: int = 0) -> str:
    """The command as a person would type it."""
    scheduler = scheduler_of(plan.site.scheduler.kind)
    return shlex.join(scheduler.submit_words(str(script), after, number))


def submit(
    plans: Sequence[Plan],
    script: Path,
    environment: Mapping[str, str],
    after: str = "",
    number: int = 0,
) -> Handed:
    """Hand the script over; wait for it where there is no scheduler.

    Args:
        plans: what the script does: one job, or the members of an array.
        after: the job that must have ended before.
        number: how many jobs have done a part of the same work before this one.

    Raises:
        DeployError: when the scheduler's command is not here.
    """
    plan = plans[0]
    may_submit(plan)
    words = scheduler_of(plan.site.scheduler.kind).submit_words(str(script), after, number)
    if shutil.which(words[0]) is None:
        message = f"expected {words[0]} on this machine, which submits jobs of {plan.site.name}"
        raise DeployError([Problem("submit", message, f"run this on a login node; {script}")])
    own = _with_own_commands(environment)
    if plan.site.scheduler.kind == "local":
        return Handed(_run(words, own))
    done = subprocess.run(words, env=own, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(done.stdout)
    if done.returncode or not done.stdout.split():
        return Handed(done.returncode)
    handed = Handed(0, done.stdout.split()[-1])
    for each in plans:
        _record(each, script, handed.job_id, shlex.join(words), environment)
    return handed


def _run(words: tuple[str, ...], environment: Mapping[str, str]) -> int:
    # Ctrl-C reaches bash too, whose script asks the trainer for a checkpoint: wait for that.
    process = subprocess.Popen(words, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _with_own_commands(environment: Mapping[str, str]) -> dict[str, str]:
    """`hydria` and `torchrun` of this very installation come first; sbatch takes that along."""
    own = str(Path(sys.executable).parent)
    return {**environment, "PATH": os.pathsep.join([own, environment.get("PATH", os.defpath)])}


def run_folder(plan: Plan, environment: Mapping[str, str]) -> Path | None:
    """The run folder as this machine sees it; None where its path cannot be known here."""
    path = plan.run_dir.value
    if path.literal:
        return Path(path.text)
    values = {**environment, "ACCOUNT": plan.account.value or environment.get("SBATCH_ACCOUNT")}
    if not all(values.get(name) for name in path.variables):
        return None
    return Path(_VARIABLE.sub(lambda match: str(values[match[1]]), path.text))


def _record(
    plan: Plan, script: Path, job_id: str, command: str, environment: Mapping[str, str]
) -> None:
    folder = run_folder(plan, environment)
    if folder is None:
        return
    line = {
        "job_id": job_id,
        "site": plan.site.name,
        "script": str(script),
        "sha256": sha256_file(script),
        "command": command,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    try:
        (folder / RECORD).parent.mkdir(parents=True, exist_ok=True)
        with (folder / RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as err:  # the job is in the queue: that must not fail now
        reason = err.strerror or str(err)
        print(f"hydria: job {job_id} is not noted in {folder}: {reason}", file=sys.stderr)


def job_ids(run_dir: Path) -> Iterator[str]:
    """The jobs that were submitted for a run, the oldest first."""
    file = run_dir / RECORD
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["job_id"]
