"""The run folder: who may write into it, and what a run leaves there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from hydria.core.errors import HydriaError
from hydria.runtime.status import Status, is_alive, read_status

# All that a run writes; nothing else in the folder is ever touched.
ARTEFACTS = (
    "status.json",
    "metrics.jsonl",
    "results.json",
    "run.log",
    "checkpoints",
    "predictions",
    "tensorboard",
    "report.html",
    "validation.html",
    "validation.json",
    "receipt.json",
    "config.json",
    "spec.json",
    "summary.json",
    "STOP",
)
# A folder that holds one of these belongs to a run.
SIGNS = ("status.json", "metrics.jsonl", "checkpoints")

MESSAGES: dict[str, Callable[[Status], str]] = {
    "running": lambda status: "holds a run that was killed. Hint: --resume goes on with it",
    "stopped": lambda status: (
        f"holds a run that was stopped at step {status.step} ({status.reason}). "
        "Hint: use --resume to go on"
    ),
    "failed": lambda status: (
        f"holds a run that failed: {status.reason}. Hint: --resume goes on from its last "
        "checkpoint, --force starts again"
    ),
    "finished": lambda status: (
        "holds a finished run. Hint: use another --run-dir, --force to replace it, or --resume "
        "with a larger num_epoch to train on"
    ),
}


def check(run_dir: Path, resume: bool = False, force: bool = False) -> None:
    """Raise HydriaError unless a new run may start in `run_dir`, or the one there go on.

    Args:
        run_dir: the folder, existing or not.
        resume: go on with the run that is there.
        force: replace the run that is there.
    """
    if resume and force:
        raise HydriaError("expected either --resume or --force, got both")
    status = read_status(run_dir)
    if status is not None and is_alive(status):
        raise HydriaError(
            f"{run_dir}: a run is going on here (process {status.pid} on {status.host}). "
            f"Hint: touch {run_dir / 'STOP'} ends it with a checkpoint"
        )
    if resume or force or not any((run_dir / name).exists() for name in SIGNS):
        return
    told = MESSAGES[status.state](status) if status else "holds files of a run. Hint: use --force"
    raise HydriaError(f"{run_dir}: {told}")


def claim(run_dir: Path, resume: bool = False, force: bool = False) -> None:
    """Make `run_dir` ready for a run; with `force`, without what a run left there.

    Raises:
        HydriaError: as `check`.
    """
    check(run_dir, resume, force)
    run_dir.mkdir(parents=True, exist_ok=True)
    if not force:
        return
    for name in ARTEFACTS:
        path = run_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
