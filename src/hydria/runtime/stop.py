"""Requests to stop: signals and the file `STOP` in the run folder."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

NAME = "STOP"
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT)
# Launchers may pass one Ctrl-C on twice; a person needs longer than that for the second.
SECOND_CTRL_C_S = 0.5
FILE_EVERY_S = 0.5
# Clocks of file servers differ from ours by less than this.
LEFT_OVER_S = 60.0
STARTED = time.time()


class SignalWatch:
    """While it is entered, signals that ask for an end only call a function.

    Signals that this process was told to ignore (`nohup`, a job in the background) stay ignored.
    Outside the main thread, where Python lets nobody handle signals, it does nothing.

    Args:
        asked: called with the signal's name.
        insisted: called at a second Ctrl-C.
    """

    def __init__(self, asked: Callable[[str], None], insisted: Callable[[], None]) -> None:
        self._asked, self._insisted = asked, insisted
        self._interrupted_at: float | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now, first = time.monotonic(), self._interrupted_at
        if number == signal.SIGINT:
            self._interrupted_at = first or now
            if first is not None and now - first > SECOND_CTRL_C_S:
                self._insisted()
                return
        self._asked(signal.Signals(number).name)


class StopRequest(SignalWatch):
    """Notes that somebody wants this rank to stop; the trainer asks between steps.

    A first signal only raises the flag, so that the running step can end and a checkpoint can
    be written. A second Ctrl-C raises KeyboardInterrupt.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__(self._note, self._abort)
        self.file = run_dir / NAME
        self.reason = ""
        self._looked_at = float("-inf")

    def __enter__(self) -> StopRequest:
        super().__enter__()
        return self

    def _note(self, reason: str) -> None:
        self.reason = self.reason or reason

    def _abort(self) -> None:
        raise KeyboardInterrupt

    def requested(self) -> bool:
        """Whether a signal came or the file appeared; the file is looked for now and then."""
        now = time.monotonic()
        if not self.reason and now - self._looked_at > FILE_EVERY_S:
            self._looked_at = now
            if self.file.exists():
                self.reason = f"file {NAME}"
        return bool(self.reason)

    def clear_left_over(self) -> None:
        """Remove a file from before this process, which was meant for an earlier run.

        A younger one stays: whoever started the ranks may want them to end again at once.
        """
        with suppress(FileNotFoundError):
            if self.file.stat().st_mtime < STARTED - LEFT_OVER_S:
                self.file.unlink()

    def clear_file(self) -> None:
        """Remove the file, so that the next run in this folder does not stop at once."""
        with suppress(FileNotFoundError):
            self.file.unlink()
