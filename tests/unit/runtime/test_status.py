"""`status.json` and who is alive."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hydria.runtime import status as statuses
from hydria.runtime.status import is_alive, read_status, write_failure, write_status


def test_status_comes_back_as_written(tmp_path: Path) -> None:
    written = write_status(tmp_path, "stopped", step=7, epoch=2, reason="SIGTERM", exit_code=75)
    assert read_status(tmp_path) == written
    assert (written.state, written.step, written.epoch, written.pid) == (
        "stopped",
        7,
        2,
        os.getpid(),
    )


def test_unreadable_status_is_none(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    for text in ("{", '{"state": "dancing"}', "[]"):
        (tmp_path / "status.json").write_text(text)
        assert read_status(tmp_path) is None


def test_first_failure_stays(tmp_path: Path) -> None:
    write_status(tmp_path, "running", step=3, epoch=1)
    write_failure(tmp_path, "out of memory", 1, rank=2)
    write_failure(tmp_path, "lost the connection", 2)
    status = read_status(tmp_path)
    assert status is not None
    assert (status.state, status.reason, status.exit_code) == ("failed", "rank 2: out of memory", 1)
    assert (status.step, status.epoch) == (3, 1)


def test_only_the_process_that_wrote_it_counts_as_alive(tmp_path: Path) -> None:
    status = write_status(tmp_path, "running")
    assert is_alive(status)
    assert not is_alive(replace(status, state="finished"))
    assert not is_alive(replace(status, host="elsewhere"))
    # the number was given to a process that started after the status was written
    assert not is_alive(replace(status, time=status.time - 1e6))


def test_a_process_that_ended_is_not_alive(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait(30)
    assert not is_alive(replace(write_status(tmp_path, "running"), pid=child.pid))


def test_failure_is_told_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_status(tmp_path, "running", step=3)

    def full(path: Path, value: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(statuses, "write_json_atomic", full)
    write_failure(tmp_path, "no room", 2)
    status = read_status(tmp_path)
    assert status is not None
    assert (status.state, status.reason, status.step) == ("failed", "no room", 3)
