"""Several ranks on this machine when no launcher started any: torchrun in a child session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hydria.runtime.stop import NAME, SignalWatch

# How long ranks that were told to end at once get before they are killed.
GRACE_S = 10


def spawn(devices: int, arguments: Sequence[str], run_dir: Path, env: Mapping[str, str]) -> int:
    """Run `hydria ARGUMENTS` as `devices` ranks and wait for them.

    The ranks live in sessions of their own, where no signal of a terminal reaches them: torchrun
    would lose them and their exit codes. A signal to this process becomes the file STOP instead;
    a second Ctrl-C ends the ranks at once.

    Args:
        devices: number of ranks.
        arguments: of the `hydria` command.
        run_dir: where to put STOP.
        env: the environment.

    Returns:
        0 when all ranks ended well, else another number; `status.json` knows which.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // devices)
    defaults = {"OMP_NUM_THREADS": str(threads), "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(GRACE_S)}
    command = [sys.executable, "-m", "hydria.runtime.agent", str(devices), *arguments]
    child = subprocess.Popen(command, env={**defaults, **env}, start_new_session=True)

    def ask(_signal: str) -> None:
        with suppress(OSError):
            run_dir.mkdir(parents=True, exist_ok=True)
            (run_dir / NAME).touch()

    # torchrun's agent passes it on to the ranks, and kills those that do not end in time
    with SignalWatch(ask, child.terminate):
        return child.wait()
