"""Ranks meet in a folder; the dead and the leftovers of killed launches hold nobody up."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hydria.core.errors import LaunchError
from hydria.doctor.meeting import Caller, attend


def meet(folder: Path, present: list[int], world_size: int, timeout_s: float = 20) -> Any:
    """Rank 0's answers, and the verdict that each other rank got."""
    with ThreadPoolExecutor(len(present)) as pool:
        others: dict[int, Future[int]] = {
            rank: pool.submit(attend, folder, rank, world_size, {"I am": rank}, timeout_s)
            for rank in present
        }
        time.sleep(0.1)  # rank 0 is late
        caller = Caller(folder, world_size)
        caller.call()
        answers = caller.gather(timeout_s)
        caller.tell(2)
        return answers, {rank: other.result() for rank, other in others.items()}


def test_all_answer_all_hear_the_verdict_and_nothing_is_left(tmp_path: Path) -> None:
    answers, verdicts = meet(tmp_path / ".doctor-1", [1, 2], 3)
    assert answers == {1: {"I am": 1}, 2: {"I am": 2}}
    assert verdicts == {1: 2, 2: 2}
    assert not list(tmp_path.iterdir())


def test_dead_rank_is_waited_for_so_long_and_left_out(tmp_path: Path) -> None:
    begun = time.monotonic()
    answers, verdicts = meet(tmp_path / ".doctor-1", [2], 3, timeout_s=0.5)
    assert set(answers) == {2}
    assert verdicts == {2: 2}
    assert 0.5 <= time.monotonic() - begun < 5
    assert not list(tmp_path.iterdir())


def test_leftovers_of_a_killed_launch_mean_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ".doctor-1"
    folder.mkdir()
    (folder / "call.json").write_text(json.dumps({"number": "old"}))
    (folder / "old.verdict").write_text("0")
    (folder / "old.answer-1").write_text(json.dumps({"I am": "a ghost"}))
    answers, verdicts = meet(folder, [1], 2)
    assert answers == {1: {"I am": 1}}
    # the old verdict belongs to the old call
    assert verdicts == {1: 2}


def test_rank_without_rank_0_says_so(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"rank 3 of 4: rank 0 did not appear .* within 0 s"):
        attend(tmp_path / ".doctor-1", 3, 4, {}, 0.1)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchError, match="cannot meet here: Not a directory"):
        attend(tmp_path / "file/.doctor-1", 1, 2, {}, 60)
