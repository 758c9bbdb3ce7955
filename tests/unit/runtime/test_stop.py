"""Signals and the file STOP."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hydria.runtime import stop as stops
from hydria.runtime.stop import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT])
def test_a_signal_raises_the_flag_and_nothing_else(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest(tmp_path) as stop:
        assert not stop.requested()
        os.kill(os.getpid(), number)
        assert stop.requested()
        assert stop.reason == number.name
    assert signal.getsignal(number) is before


def test_what_was_ignored_before_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with StopRequest(tmp_path) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_second_ctrl_c_interrupts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StopRequest(tmp_path) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # the same one, passed on twice by a launcher
        assert stop.reason == "SIGINT"
        monkeypatch.setattr(stops, "SECOND_CTRL_C_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_file_is_a_request_until_it_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stops, "FILE_EVERY_S", 0.0)
    (tmp_path / "STOP").touch()
    stop = StopRequest(tmp_path)
    assert stop.requested()
    assert stop.reason == "file STOP"
    stop.clear_file()
    assert not StopRequest(tmp_path).requested()


def test_only_a_file_from_before_this_process_is_left_over(tmp_path: Path) -> None:
    file, stop = tmp_path / "STOP", StopRequest(tmp_path)
    stop.clear_left_over()
    file.touch()
    stop.clear_left_over()
    assert file.exists()
    old = stops.STARTED - 2 * stops.LEFT_OVER_S
    os.utime(file, (old, old))
    stop.clear_left_over()
    assert not file.exists()


def test_outside_the_main_thread_only_the_file_counts(tmp_path: Path) -> None:
    def use() -> bool:
        with StopRequest(tmp_path) as stop:
            (tmp_path / "STOP").touch()
            return stop.requested()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(use).result()
