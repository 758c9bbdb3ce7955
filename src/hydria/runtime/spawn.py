"""Several ranks on this machine when no launcher started any: torchrun in a child session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from hydria.runtime.stop import SECOND_CTRL_C_S, SIGNALS

# How long ranks that were told to end at once get before they are killed.
GRACE_S = 5.0


def spawn(devices: int, arguments: Sequence[str], run_dir: Path, env: Mapping[str, str]) -> int:
    """Run `hydria ARGUMENTS` as `devices` ranks and wait for them.

    The ranks live in a session of their own, where no signal of a terminal reaches them: torchrun
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
    command = [sys.executable, "-m", "hydria.runtime.agent", str(devices), *arguments]
    child = subprocess.Popen(
        command, env={"OMP_NUM_THREADS": str(threads), **env}, start_new_session=True
    )
    with _Relay(run_dir, child):
        return child.wait()


class _Relay:
    """While it is entered, turns signals to this process into the file STOP."""

    def __init__(self, run_dir: Path, child: subprocess.Popen[bytes]) -> None:
        self.run_dir, self.child = run_dir, child
        self._interrupted_at: float | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> _Relay:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGINT:
            first = self._interrupted_at
            if first is not None and now - first > SECOND_CTRL_C_S:
                self._end_at_once()
                return
            self._interrupted_at = first or now
        with suppress(OSError):
            self.run_dir.mkdir(parents=True, exist_ok=True)
            (self.run_dir / "STOP").touch()

    def _end_at_once(self) -> None:
        """Interrupt the whole session, and kill what does not end."""
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(GRACE_S)
                return
            os.killpg(self.child.pid, signal.SIGKILL)
