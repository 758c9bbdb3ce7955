"""Mean, standard deviation, smallest and largest rows of segments in one pass.

The rows are taken a few segments at a time, so that what is computed of them stays in the cache;
only the rows themselves are kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from hydria.nn.functions import plain
from hydria.nn.segments import (
    MIN_VARIANCE,
    Segments,
    segment_mean_std,
    segment_min_max,
    segment_sum,
)

# numbers of one part on a CPU: two megabytes in float32; less costs more in calls than it saves
PART_SIZE = 1 << 19


class Statistics(NamedTuple):
    """Each (S, C); zero for empty segments."""

    mean: Tensor
    std: Tensor
    smallest: Tensor
    largest: Tensor


class Part(NamedTuple):
    """Some neighbouring segments."""

    segments: slice
    rows: slice
    runs: Segments
    """These rows grouped into these segments, both counted from zero."""


def segment_statistics(values: Tensor, segments: Segments) -> Statistics:
    """What `segment_mean_std` and `segment_min_max` give, several times as quickly on a CPU.

    Args:
        values: (R, C).
        segments: contiguous runs of the rows.
    """
    if plain():
        return Statistics(*_plain(values, segments))
    apply = cast(Callable[[Tensor, Segments], tuple[Tensor, ...]], _Statistics.apply)
    return Statistics(*apply(values, segments))


class _Statistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments) -> tuple[Tensor, ...]:
        ctx.parts = _parts(segments, values.shape[1])
        ctx.segments = segments
        found = [_plain(values[part.rows], part.runs) for part in ctx.parts]
        joined = tuple(torch.cat(columns) for columns in zip(*found, strict=True))
        ctx.save_for_backward(values, *joined)
        return joined

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        values, *found = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = _plain(values, ctx.segments)
            return torch.autograd.grad(again, values, grads, create_graph=True)[0], None
        mean, std, smallest, largest = found
        counts = ctx.segments.counts.clamp_min(1).to(values.dtype).unsqueeze(1)
        # the derivative of the variance is zero where it counts as zero
        of_square = torch.where(std > MIN_VARIANCE**0.5, grads[1] / (counts * std), 0.0)
        of_row = grads[0] / counts - mean * of_square
        result = torch.empty_like(values)
        for part in ctx.parts:
            rows, out = values[part.rows], result[part.rows]
            spread = part.runs.spread
            out.copy_(spread(of_square[part.segments])).mul_(rows)
            out.add_(spread(of_row[part.segments]))
            for extreme, grad in ((smallest, grads[2]), (largest, grads[3])):
                hits = spread(extreme[part.segments]).sub_(rows).sign_().abs_().neg_().add_(1.0)
                shares = segment_sum(hits, part.runs).clamp_min(1.0)
                out.add_(hits.mul_(spread(grad[part.segments] / shares)))
        return result, None


def _plain(values: Tensor, segments: Segments) -> tuple[Tensor, ...]:
    return *segment_mean_std(values, segments), *segment_min_max(values, segments)


def _parts(segments: Segments, width: int) -> list[Part]:
    """All segments in parts of about `PART_SIZE` numbers; on other devices than a CPU in one."""
    offsets = segments.offsets
    if offsets.device.type != "cpu" or segments.num_segments == 0:
        whole = slice(0, segments.num_segments)
        return [Part(whole, slice(0, len(segments.index)), segments)]
    steps = torch.arange(0, len(segments.index), max(1, PART_SIZE // max(width, 1)))
    starts = torch.searchsorted(offsets, steps, right=True) - 1
    bounds = [0, *sorted(set(starts[starts > 0].tolist())), segments.num_segments]
    return [_part(segments, first, last) for first, last in pairwise(bounds)]


def _part(segments: Segments, first: int, last: int) -> Part:
    offsets = segments.offsets[first : last + 1]
    rows = slice(int(offsets[0]), int(offsets[-1]))
    runs = Segments(segments.index[rows] - first, last - first, offsets - offsets[0])
    return Part(slice(first, last), rows, runs)
