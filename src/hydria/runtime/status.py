"""`status.json`: what became of a run, because launchers lose exit codes."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from hydria.core.files import write_json_atomic

State = Literal["running", "stopped", "finished", "failed"]
NAME = "status.json"


@dataclass(frozen=True)
class Status:
    """One state of a run.

    Attributes:
        state: running; stopped (a checkpoint was written, resume it); finished; failed.
        step, epoch: optimiser steps done and the epoch they stand in.
        reason: why it stopped or failed.
        pid, host: the process that wrote this.
        time: when, in seconds since 1970.
        exit_code: what the command exits with; None while it runs.
    """

    state: State
    step: int = 0
    epoch: int = 0
    reason: str = ""
    pid: int = 0
    host: str = ""
    time: float = 0.0
    exit_code: int | None = None


def write_status(
    run_dir: Path,
    state: State,
    *,
    step: int = 0,
    epoch: int = 0,
    reason: str = "",
    exit_code: int | None = None,
) -> Status:
    """Replace the status of `run_dir`, whole or not at all."""
    status = _now(state, step, epoch, reason, exit_code)
    write_json_atomic(run_dir / NAME, asdict(status))
    return status


def _now(state: State, step: int, epoch: int, reason: str, exit_code: int | None) -> Status:
    now = round(time.time(), 3)
    return Status(state, step, epoch, reason, os.getpid(), socket.gethostname(), now, exit_code)


def read_status(run_dir: Path) -> Status | None:
    """The status of `run_dir`, None when there is none that can be read."""
    try:
        fields = json.loads((run_dir / NAME).read_text(encoding="utf-8"))
        known = {name: fields[name] for name in Status.__dataclass_fields__ if name in fields}
        status = Status(**known)
    except (OSError, ValueError, TypeError):
        return None
    return status if status.state in get_args(State) else None


def write_failure(run_dir: Path, reason: str, exit_code: int, rank: int = 0) -> None:
    """Record why a run failed; the first reason stays, those it brings about are not heard."""
    before = read_status(run_dir)
    if before is not None and before.state == "failed":
        return
    step, epoch = (before.step, before.epoch) if before else (0, 0)
    where = f"rank {rank}: {reason}" if rank else reason
    status = _now("failed", step, epoch, where, exit_code)
    try:
        write_json_atomic(run_dir / NAME, asdict(status))
    except OSError:
        # on a full disk there is room for it only where the old one stands
        with (run_dir / NAME).open("r+", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(status), indent=2) + "\n")
            stream.truncate()


def is_alive(status: Status) -> bool:
    """Whether the process that wrote `status` still runs, as far as this host can tell."""
    if status.state != "running" or status.host != socket.gethostname():
        return False
    started = _started(status.pid)
    # a later process may have been given the same number
    return started is not None and started <= status.time + 2.0


def _started(pid: int) -> float | None:
    """When process `pid` started, in seconds since 1970; None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return None
    if fields[0] == "Z":
        return None
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
