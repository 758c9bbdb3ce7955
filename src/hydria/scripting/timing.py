"""Named stop-watches that add up, and their summary over ranks."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import ClassVar

from hydria.core.errors import HydriaError
from hydria.runtime import collectives
from hydria.scripting.terminal import show

log = logging.getLogger(__name__)


@dataclass
class Total:
    """Seconds and calls of all timers of one name."""

    seconds: float = 0.0
    calls: int = 0


class Timer:
    """A stop-watch; the times of equal names are added up in `Timer.totals`.

    Args:
        name: what `print_timers` calls it.
    """

    totals: ClassVar[dict[str, Total]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self.elapsed_time: float | None = None
        self._started: float | None = None
        self.totals.setdefault(name, Total())

    @property
    def running(self) -> bool:
        return self._started is not None

    def start(self) -> None:
        """Begin to measure; HydriaError if it runs already."""
        if self._started is not None:
            raise HydriaError(f"timer {self.name!r} runs already. Hint: stop() it first")
        self._started = time.perf_counter()

    def stop(self) -> None:
        """End, and add the seconds to the total; HydriaError if it does not run."""
        if self._started is None:
            raise HydriaError(f"timer {self.name!r} does not run. Hint: start() it first")
        self.elapsed_time = time.perf_counter() - self._started
        self._started = None
        total = self.totals[self.name]
        total.seconds += self.elapsed_time
        total.calls += 1

    def reset(self) -> None:
        """Forget a measurement that was begun, and the last one."""
        self._started = self.elapsed_time = None


def print_timers(verbosity: int) -> None:
    """Show all totals, longest first; every rank must call it.

    With several ranks the smallest, mean and largest seconds over them are shown.
    """
    mine = {name: (total.seconds, total.calls) for name, total in Timer.totals.items()}
    ranks = collectives.gather_objects(mine)
    names = sorted(mine, key=lambda name: -mine[name][0])
    show(log, "\n".join(_line(name, ranks) for name in names), min(verbosity, 1))


def _line(name: str, ranks: list[dict[str, tuple[float, int]]]) -> str:
    seconds = [rank[name][0] for rank in ranks if name in rank]
    calls = ranks[0][name][1]
    spread = ""
    if len(seconds) > 1:
        mean = sum(seconds) / len(seconds)
        spread = f", over ranks min {min(seconds):.2f} mean {mean:.2f} max {max(seconds):.2f}"
    return f"timer {name}: {seconds[0]:.2f} s in {calls} calls{spread}"
