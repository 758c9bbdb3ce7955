"""Segment reductions against loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hydria.nn import segments as segments_module
from hydria.nn.pooling import pool
from hydria.nn.segments import (
    Segments,
    segment_mean,
    segment_mean_std,
    segment_min_max,
    segment_sum,
)

COUNTS = [0, 3, 1, 0, 5, 2, 0]


@pytest.fixture(params=["padded", "segments"])
def runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Segments:
    """Runs of different lengths, empty ones at both ends and in between, by both ways."""
    if request.param == "segments":
        monkeypatch.setattr(segments_module, "MAX_PADDING", 0)
    index = torch.repeat_interleave(torch.arange(len(COUNTS)), torch.tensor(COUNTS))
    made = Segments(index, len(COUNTS))
    assert (made.padding is None) == (request.param == "segments")
    return made


@pytest.fixture
def values() -> Tensor:
    return torch.randn(sum(COUNTS), 3, dtype=torch.float64, requires_grad=True)


def by_loop(values: Tensor, reduce: str) -> Tensor:
    rows = [
        getattr(part, reduce)(dim=0) if len(part) else torch.zeros(3, dtype=values.dtype)
        for part in values.detach().split(COUNTS)
    ]
    return torch.stack(rows)


def test_offsets_and_counts_follow_from_the_index(runs: Segments) -> None:
    assert runs.counts.tolist() == COUNTS
    assert runs.offsets.tolist() == [0, 0, 3, 4, 4, 9, 11, 11]


def test_sum_and_mean_equal_loops(runs: Segments, values: Tensor) -> None:
    torch.testing.assert_close(segment_sum(values, runs).detach(), by_loop(values, "sum"))
    torch.testing.assert_close(segment_mean(values, runs).detach(), by_loop(values, "mean"))


def test_min_and_max_equal_loops(runs: Segments, values: Tensor) -> None:
    smallest, largest = segment_min_max(values, runs)
    assert torch.equal(smallest.detach(), by_loop(values, "amin"))
    assert torch.equal(largest.detach(), by_loop(values, "amax"))


def test_std_equals_a_loop(runs: Segments, values: Tensor) -> None:
    expected = [
        part.std(0, correction=0) if len(part) else torch.zeros(3, dtype=values.dtype)
        for part in values.detach().split(COUNTS)
    ]
    torch.testing.assert_close(segment_mean_std(values, runs)[1].detach(), torch.stack(expected))


def test_reductions_are_differentiable_twice(runs: Segments, values: Tensor) -> None:
    def reduce(rows: Tensor) -> tuple[Tensor, ...]:
        return (*segment_min_max(rows.sin(), runs), *segment_mean_std(rows.sin(), runs))

    assert torch.autograd.gradcheck(reduce, (values,))
    assert torch.autograd.gradgradcheck(reduce, (values,))


def test_rows_that_tie_share_the_gradient() -> None:
    rows = torch.tensor([[1.0], [2.0], [2.0]], requires_grad=True)
    smallest, largest = segment_min_max(rows, Segments(torch.zeros(3, dtype=torch.long), 1))
    (3 * smallest + 4 * largest).sum().backward()
    assert rows.grad is not None
    assert rows.grad.flatten().tolist() == [3.0, 2.0, 2.0]


def test_equal_rows_have_zero_deviation_and_gradient() -> None:
    rows = torch.ones(4, 2, requires_grad=True)
    _, std = segment_mean_std(rows, Segments(torch.zeros(4, dtype=torch.long), 1))
    std.sum().backward()
    assert torch.equal(std, torch.zeros(1, 2))
    assert torch.equal(rows.grad, torch.zeros(4, 2))


def test_nothing_to_reduce_gives_zeros() -> None:
    nothing, runs = torch.zeros(0, 2), Segments(torch.zeros(0, dtype=torch.long), 3)
    for result in (segment_sum(nothing, runs), *segment_min_max(nothing, runs)):
        assert torch.equal(result, torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("kind", "expected"), [("mean", 2.0), ("add", 6.0), ("sum", 6.0), ("max", 3.0)]
)
def test_pooling_by_name(kind: str, expected: float) -> None:
    nodes = torch.tensor([[1.0], [2.0], [3.0]])
    graphs = Segments(torch.zeros(3, dtype=torch.long), 1, torch.tensor([0, 3]))
    assert pool(kind, nodes, graphs).tolist() == [[expected]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(6, 3), (6, 2, 3), (6,)])
def test_sum_of_scattered_rows_and_its_gradient(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    index = torch.tensor([3, 0, 3, 1, 0, 3])
    scattered = Segments(index, 5, ascending=False)
    rows = torch.randn(shape, dtype=dtype, requires_grad=True)
    total = segment_sum(rows, scattered)
    expected = torch.zeros(5, *shape[1:], dtype=dtype).index_add(0, index, rows.detach())
    torch.testing.assert_close(total.detach(), expected)
    weights = torch.randn_like(total)
    (gradient,) = torch.autograd.grad((total * weights).sum(), rows)
    assert torch.equal(gradient, weights[index])
    assert scattered.counts.tolist() == [2, 1, 0, 3, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spread_gives_each_row_its_segment_and_sums_the_gradient(dtype: torch.dtype) -> None:
    index = torch.tensor([2, 0, 2, 2])
    values = torch.randn(3, 2, dtype=dtype, requires_grad=True)
    spread = Segments(index, 3, ascending=False).spread(values)
    assert torch.equal(spread, values[index])
    weights = torch.randn_like(spread)
    (gradient,) = torch.autograd.grad((spread * weights).sum(), values)
    expected = torch.zeros(3, 2, dtype=dtype).index_add(0, index, weights)
    torch.testing.assert_close(gradient, expected)
