"""A progress bar over the batches of an epoch, for verbosity 2 and 4 on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hydria.train.records import Observer, Record

# the manual's levels: 2 is rank 0 with progress bars, 4 all ranks with progress bars
LEVELS_WITH_BARS = (2, 4)


class EpochBar:
    """Draws one bar per epoch and takes it away when the epoch's line is printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None

    def epoch_started(self, epoch: int, first_batch: int, batches: int) -> None:
        self.close()
        self._bar = Progress(
            TextColumn("epoch {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(str(epoch), completed=first_batch, total=batches)
        self._bar.start()

    def batch_done(self) -> None:
        if self._bar is not None:
            self._bar.advance(self._task)
            if self._bar.finished:
                self.close()

    def epoch_ended(self, record: Record) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away; harmless without one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def epoch_bars(verbosity: int) -> Iterator[Sequence[Observer]]:
    """Observers that draw, or none where nobody watches or wants bars."""
    console = Console(stderr=True)
    if verbosity not in LEVELS_WITH_BARS or not console.is_terminal:
        yield ()
        return
    bar = EpochBar(console)
    try:
        yield (bar,)
    finally:
        bar.close()
