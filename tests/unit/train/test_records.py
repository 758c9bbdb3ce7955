"""`metrics.jsonl` of a run that goes on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from hydria.train.records import Recorder, read_records


def record(epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch, "train_loss": 1.0, "val_loss": None, "lr": 0.1, "seconds": 1.0,
        "samples_per_s": 10.0, "train_losses": {"energy": 1.0}, "val_losses": {},
    }  # fmt: skip


def write(run_dir: Path, epochs: range, first_epoch: int) -> None:
    recorder = Recorder(run_dir, first_epoch)
    for epoch in epochs:
        recorder.write(record(epoch))
    recorder.close()


def test_records_of_lost_epochs_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, range(4), 0)
    write(tmp_path, range(2, 3), 2)
    assert [r["epoch"] for r in read_records(tmp_path / "metrics.jsonl")] == [0, 1, 2]


def test_a_torn_line_is_dropped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, range(2), 0)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text()[:-20])
    with caplog.at_level(logging.WARNING, logger="hydria"):
        assert [r["epoch"] for r in read_records(path)] == [0]
    assert "torn line" in caplog.text


def test_a_folder_without_records_has_none(tmp_path: Path) -> None:
    assert read_records(tmp_path / "metrics.jsonl") == []
