"""What a run writes down as it goes: `metrics.jsonl` and TensorBoard events."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hydria.core.files import write_text_atomic

log = logging.getLogger(__name__)

NAME = "metrics.jsonl"
Record = Mapping[str, Any]


class Observer(Protocol):
    """Somebody who watches a run: a progress bar, a monitor."""

    def epoch_started(self, epoch: int, first_batch: int, batches: int) -> None: ...

    def batch_done(self) -> None: ...

    def epoch_ended(self, record: Record) -> None: ...


class Recorder:
    """Writes the records of rank 0; a resumed run goes on after the epoch it resumes in.

    Args:
        run_dir: the run folder.
        first_epoch: records of this epoch and later ones, left by a run that was killed after
            its last checkpoint, are dropped.
    """

    def __init__(self, run_dir: Path, first_epoch: int) -> None:
        self.path = run_dir / NAME
        self._drop_from(first_epoch)
        self._events = _event_writer(run_dir / "tensorboard", first_epoch)

    def _drop_from(self, epoch: int) -> None:
        kept = [json.dumps(record) for record in read_records(self.path) if record["epoch"] < epoch]
        write_text_atomic(self.path, "".join(f"{line}\n" for line in kept))

    def write(self, record: Record) -> None:
        """Append one epoch; a full disk costs the record, not the run."""
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        except OSError as err:
            log.warning("%s: epoch %d not recorded: %s", self.path, record["epoch"], err.strerror)
        if self._events is not None:
            for name, value in _scalars(record).items():
                self._events.add_scalar(name, value, record["epoch"])
            self._events.flush()

    def close(self) -> None:
        if self._events is not None:
            self._events.close()


def read_records(path: Path) -> list[dict[str, Any]]:
    """Records of all whole lines of a `metrics.jsonl`; a torn last line is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            log.warning("%s: a torn line was dropped", path)
    return records


def _scalars(record: Record) -> dict[str, float]:
    """The numbers of a record under the names TensorBoard groups them by."""
    named = {
        "loss/train": record["train_loss"],
        "loss/validation": record["val_loss"],
        "lr": record["lr"],
        "samples_per_s": record["samples_per_s"],
    }
    named |= {f"train/{name}": value for name, value in record["train_losses"].items()}
    named |= {f"validation/{name}": value for name, value in record["val_losses"].items()}
    return {name: value for name, value in named.items() if value is not None}


def _event_writer(folder: Path, first_epoch: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("TensorBoard events are not written: the package tensorboard is missing")
        return None
    return SummaryWriter(str(folder), purge_step=first_epoch)
