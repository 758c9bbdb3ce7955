"""Sums, flags and objects on one rank and on two."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hydria.core.errors import DataError
from hydria.runtime import collectives
from tests.support.ranks import on_ranks


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    return on_ranks(2, "tests.unit.runtime.rank_checks:talk", folder)


def test_global_sum_is_the_same_on_all_ranks(talked: list[dict[str, Any]]) -> None:
    assert [result["sum"] for result in talked] == [[3.0, 6.0]] * 2


def test_gradient_of_a_global_sum_is_that_of_all_ranks(talked: list[dict[str, Any]]) -> None:
    # each rank's loss is |3w|²; both together give 2 · 2 · 3w · (rank + 1)
    for rank, result in enumerate(talked):
        assert result["gradient"] == [12.0 * (rank + 1), 24.0 * (rank + 1)]


def test_flags_and_objects_travel(talked: list[dict[str, Any]]) -> None:
    for rank, result in enumerate(talked):
        assert (result["size"], result["backend"]) == (2, "gloo")
        assert result["any"] == [True, False]
        assert result["everywhere"] == [{"rank": 0}, {"rank": 1}]
        assert result["first"] == ([0, 1] if rank == 0 else [])
        assert result["broadcast"] == "from 0"
        assert result["done"] == "by 0"


def test_an_error_of_rank_0_reaches_the_others(talked: list[dict[str, Any]]) -> None:
    problems = [result["problem"] for result in talked]
    assert problems == ["DataError: no data", "FirstRankError: no data"]


def test_one_process_needs_no_group() -> None:
    tensor = torch.ones(2, requires_grad=True)
    assert collectives.global_sum(tensor) is tensor
    assert collectives.any_rank(True)
    assert not collectives.any_rank(False)
    assert collectives.gather_objects(3) == collectives.gather_to_first(3) == [3]
    assert collectives.broadcast_object("x") == collectives.first_rank_does(lambda: "x") == "x"
    assert (collectives.rank(), collectives.world_size()) == (0, 1)
    collectives.barrier()
    with pytest.raises(DataError):
        collectives.first_rank_does(_refuse)


def _refuse() -> None:
    raise DataError("no data")
