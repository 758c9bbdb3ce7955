"""The fused statistics against the plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hydria.nn import statistics
from hydria.nn.segments import Segments, segment_mean_std, segment_min_max
from hydria.nn.statistics import segment_statistics

COUNTS = [0, 3, 1, 0, 0, 6, 2, 4, 0]


@pytest.fixture(params=[1, 12, 10**6], ids=["one-by-one", "several", "whole"])
def part_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a single segment, of a few and of all."""
    monkeypatch.setattr(statistics, "PART_SIZE", request.param)


def runs() -> Segments:
    index = torch.repeat_interleave(torch.arange(len(COUNTS)), torch.tensor(COUNTS))
    return Segments(index, len(COUNTS))


def rows(dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(sum(COUNTS), 3, generator=generator, dtype=torch.float64)
    values[5] = values[4]  # a tie
    return values.to(dtype).requires_grad_()


def plain(values: Tensor, segments: Segments) -> tuple[Tensor, ...]:
    return *segment_mean_std(values, segments), *segment_min_max(values, segments)


@pytest.mark.usefixtures("part_size")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_statistics_and_gradients_equal_the_plain_ones(dtype: torch.dtype) -> None:
    values, results = rows(dtype), []
    for function in (segment_statistics, plain):
        found = function(values, runs())
        loss = sum((k + 1) * (part.sin()).sum() for k, part in enumerate(found))
        results.append([*found, *torch.autograd.grad(loss, values)])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.usefixtures("part_size")
def test_statistics_are_differentiable_twice() -> None:
    values = torch.linspace(-1, 2, 3 * sum(COUNTS), dtype=torch.float64).view(-1, 3).sin()
    values.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: tuple(segment_statistics(v, runs())), values)
    assert torch.autograd.gradgradcheck(lambda v: tuple(segment_statistics(v, runs())), values)


@pytest.mark.parametrize("num_segments", [0, 3])
def test_statistics_of_nothing_are_zero(num_segments: int) -> None:
    nothing = torch.zeros(0, 2, requires_grad=True)
    found = segment_statistics(nothing, Segments(torch.zeros(0, dtype=torch.long), num_segments))
    assert all(torch.equal(part, torch.zeros(num_segments, 2)) for part in found)
    sum(part.sum() for part in found).backward()
    assert nothing.grad is not None
