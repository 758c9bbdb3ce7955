"""Bars where somebody watches, and only there."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hydria.cli import epoch_bar
from hydria.cli.epoch_bar import EpochBar, epoch_bars


def test_a_bar_counts_the_batches_of_an_epoch() -> None:
    stream = io.StringIO()
    bar = EpochBar(Console(file=stream, force_terminal=True, width=80))
    bar.epoch_started(7, first_batch=2, batches=4)
    assert "epoch 7" in stream.getvalue()
    assert "2/4" in stream.getvalue()
    bar.batch_done()
    bar.batch_done()
    assert "4/4" in stream.getvalue()
    length = len(stream.getvalue())
    bar.batch_done()  # it has gone by itself
    bar.epoch_ended({})
    bar.close()
    assert len(stream.getvalue()) == length


@pytest.mark.parametrize(
    ("level", "terminal", "drawn"),
    [(1, True, 0), (2, True, 1), (3, True, 0), (4, True, 1), (2, False, 0)],
)
def test_levels_of_the_manual(
    monkeypatch: pytest.MonkeyPatch, level: int, terminal: bool, drawn: int
) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    monkeypatch.setattr(epoch_bar, "Console", lambda stderr: console)
    with epoch_bars(level) as observers:
        assert len(observers) == drawn
