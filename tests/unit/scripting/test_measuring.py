import logging
import time

import numpy as np
import pytest
from torch import nn

from hydria.core.errors import HydriaError
from hydria.scripting.inspecting import peak_host_memory, print_model, print_peak_memory
from hydria.scripting.timing import Timer, print_timers


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timers, and a script in which nobody has configured logging."""
    logger = logging.getLogger("hydria")
    monkeypatch.setattr(Timer, "totals", {})
    monkeypatch.setattr(logger, "handlers", [])
    # pytest hangs its own handlers on a logger that does not propagate
    monkeypatch.setattr(logger, "propagate", True)


def test_timers_of_one_name_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        timer = Timer("data_loading")
        timer.start()
        assert timer.running
        time.sleep(0.02)
        timer.stop()
    total = Timer.totals["data_loading"]
    assert total.calls == 2
    assert 0.04 <= total.seconds < 2
    assert timer.elapsed_time is not None
    print_timers(1)
    assert "timer data_loading: " in capsys.readouterr().out


def test_a_timer_that_is_misused_says_so() -> None:
    timer = Timer("once")
    with pytest.raises(HydriaError, match="does not run"):
        timer.stop()
    timer.start()
    with pytest.raises(HydriaError, match="runs already"):
        timer.start()
    timer.reset()
    assert not timer.running


def test_print_model_lists_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    print_model(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["0.weight", "(4,", "3)", "12"]
    # 12 + 4 of the layer, 4 + 4 trained and 4 + 4 + 1 counted by the norm
    assert lines[-1].startswith("33 values (24 trained)")


def test_peak_memory_follows_what_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    before = peak_host_memory()
    held = np.ones(before // 8 + 20 * 2**20)  # more than ever before, in float64
    assert peak_host_memory() > max(before, held.nbytes)
    print_peak_memory(1, "After model creation")
    assert capsys.readouterr().out.startswith("After model creation: peak memory ")
    print_peak_memory(0, "quiet")
    assert capsys.readouterr().out == ""
