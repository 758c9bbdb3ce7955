"""Own ranks: what reaches them, and what comes back. The agent is replaced by a small program."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from hydria.runtime import spawn as spawns
from hydria.runtime import stop as stops

# Notes its arguments and session, then waits for STOP or SIGTERM.
AGENT = """#!{python}
import os, pathlib, signal, sys, time
run_dir = pathlib.Path(sys.argv[-1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
words = [*sys.argv[1:], os.environ["OMP_NUM_THREADS"], str(os.getsid(0) == os.getpid())]
(run_dir / "ready").write_text(" ".join(words))
for _ in range(600):
    time.sleep(0.05)
    if (run_dir / "STOP").exists() and "deaf" not in sys.argv:
        sys.exit(3)
"""


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "agent"
    program.write_text(AGENT.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(spawns.sys, "executable", str(program))


def when_ready(run_dir: Path, *numbers: signal.Signals) -> threading.Thread:
    """Send signals to this process once the agent runs."""

    def send() -> None:
        for _ in range(600):
            if (run_dir / "ready").exists():
                break
            time.sleep(0.05)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_becomes_the_file_stop(
    tmp_path: Path, agent: None, number: signal.Signals
) -> None:
    thread = when_ready(tmp_path, number)
    code = spawns.spawn(
        2, ["train", str(tmp_path)], tmp_path, {**os.environ, "OMP_NUM_THREADS": "7"}
    )
    thread.join()
    assert code == 3
    said = (tmp_path / "ready").read_text()
    assert said == f"-m hydria.runtime.agent 2 train {tmp_path} 7 True"


def test_a_second_ctrl_c_ends_the_ranks(
    tmp_path: Path, agent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stops, "SECOND_CTRL_C_S", 0.1)
    thread = when_ready(tmp_path, signal.SIGINT, signal.SIGINT)
    code = spawns.spawn(2, ["deaf", str(tmp_path)], tmp_path, os.environ)
    thread.join()
    assert code == 9


def test_cores_are_shared_among_the_ranks(
    tmp_path: Path, agent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawns.os, "sched_getaffinity", lambda pid: set(range(8)))
    (tmp_path / "STOP").touch()
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    spawns.spawn(4, ["train", str(tmp_path)], tmp_path, env)
    assert (tmp_path / "ready").read_text().split()[-2] == "2"
