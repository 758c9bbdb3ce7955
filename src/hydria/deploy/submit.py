"""A script to its scheduler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hydria.core.errors import DeployError, Problem
from hydria.deploy.plan import Plan
from hydria.deploy.render import missing_account
from hydria.deploy.schedulers import scheduler_of


def may_submit(plan: Plan) -> None:
    """DeployError unless the scheduler would charge the job to somebody."""
    if missing_account(plan):
        hint = "--account, HYDRIA_ACCOUNT, SBATCH_ACCOUNT or `account:` in ~/.config/hydria.yaml"
        message = f"{plan.site.name} charges every job to a project, and none was given"
        raise DeployError([Problem("--account", message, hint)])


def submit(plan: Plan, script: Path, environment: Mapping[str, str]) -> int:
    """Hand the script over, wait where there is no scheduler; the command's exit code.

    Raises:
        DeployError: when the scheduler's command is not here.
    """
    may_submit(plan)
    command = scheduler_of(plan.site.scheduler.kind).submit_command
    if shutil.which(command[0]) is None:
        message = f"expected {command[0]} on this machine, which submits jobs of {plan.site.name}"
        raise DeployError([Problem("submit", message, f"run this on a login node; {script}")])
    # Ctrl-C reaches bash too, whose script asks the trainer for a checkpoint: wait for that.
    process = subprocess.Popen([*command, str(script)], env=_with_own_commands(environment))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _with_own_commands(environment: Mapping[str, str]) -> dict[str, str]:
    """`hydria` and `torchrun` of this very installation come first, for jobs that run here."""
    own = str(Path(sys.executable).parent)
    return {**environment, "PATH": os.pathsep.join([own, environment.get("PATH", os.defpath)])}
