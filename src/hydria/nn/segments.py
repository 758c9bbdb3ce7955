"""Reductions over rows that belong together: edges by target or by source, nodes by graph.

All results are differentiable twice. On a CPU, float32 sums go through the fused kernel of
`embedding_bag`, which sums rows it picks itself three times faster than `index_add` sums rows that
lie ready, and ten times faster than gathering and adding; smallest and largest values are taken
over a padded (segments, longest run) view, at a tenth of the cost of `torch.segment_reduce`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from hydria.nn.functions import plain

# beyond this ratio of padded to real rows the padding costs more than it saves
MAX_PADDING = 8

HALF = frozenset({torch.bfloat16, torch.float16})

# the variance below which a standard deviation counts as zero, as in torch-geometric
MIN_VARIANCE = 1e-5


class Segments:
    """Rows 0 … R-1 grouped into S segments, some of them perhaps empty.

    Attributes:
        index: (R,) int64, the segment of each row.
        num_segments: S.
        ascending: whether the segments are contiguous runs; smallest and largest rows need that.
    """

    def __init__(
        self,
        index: Tensor,
        num_segments: int,
        offsets: Tensor | None = None,
        ascending: bool = True,
        rows: Tensor | None = None,
    ) -> None:
        self.index = index
        self.num_segments = num_segments
        self.ascending = ascending
        self._offsets, self._rows = offsets, rows

    @cached_property
    def rows(self) -> Tensor:
        """(R,) int64, the rows in the order of their segments."""
        if self._rows is not None:
            return self._rows
        if self.ascending:
            return torch.arange(len(self.index), device=self.index.device)
        return self.index.argsort(stable=True)

    @cached_property
    def offsets(self) -> Tensor:
        """(S + 1,) int64, where each segment begins in `rows`, then R."""
        if self._offsets is not None:
            return self._offsets
        bounds = torch.arange(self.num_segments + 1, device=self.index.device)
        return torch.searchsorted(self.index if self.ascending else self.index[self.rows], bounds)

    @cached_property
    def counts(self) -> Tensor:
        """(S,) int64, rows of each segment."""
        return self.offsets.diff()

    @cached_property
    def padding(self) -> Tensor | None:
        """(S, longest) row numbers, short segments repeating their last row; None: do not pad."""
        if self.index.device.type != "cpu" or not len(self.index):
            return None
        longest = int(self.counts.max())
        if longest * self.num_segments > MAX_PADDING * len(self.index):
            return None
        step = torch.arange(longest).minimum((self.counts - 1).clamp_min(0).unsqueeze(1))
        return (self.offsets[:-1, None] + step).clamp_max(len(self.index) - 1)

    def spread(self, values: Tensor) -> Tensor:
        """Give each row the value of its segment: (S, …) → (R, …)."""
        if plain():
            return values.index_select(0, self.index)
        apply = cast(Callable[[Tensor, Segments], Tensor], _Spread.apply)
        return apply(values, self)


def segment_sum(values: Tensor, segments: Segments) -> Tensor:
    """Sum rows by segment: (R, …) → (S, …); empty segments give 0."""
    if plain():
        total = values.new_zeros(segments.num_segments, *values.shape[1:])
        return total.index_add(0, segments.index, values)
    apply = cast(Callable[[Tensor, Segments], Tensor], _Sum.apply)
    return apply(values, segments)


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments) -> Tensor:
        ctx.segments = segments
        return values.index_select(0, segments.index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return segment_sum(grads[0], ctx.segments), None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments) -> Tensor:
        ctx.segments = segments
        # half precision would lose the small rows of a large sum
        wide = values.float() if values.dtype in HALF else values
        if summed_fast(wide):
            return bag_sum(wide, segments.rows, segments.offsets).to(values.dtype)
        total = wide.new_zeros(segments.num_segments, *values.shape[1:])
        return total.index_add_(0, segments.index, wide).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.segments.spread(grads[0]), None


def summed_fast(values: Tensor) -> bool:
    """Whether `bag_sum` is the quickest way to sum rows like these."""
    return values.dtype == torch.float32 and values.device.type == "cpu" and values.dim() > 1


def bag_sum(values: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Sum chosen rows of (R, …), those of bag s from ``rows[offsets[s]:offsets[s + 1]]``."""
    flat = values.flatten(1)
    total = functional.embedding_bag(rows, flat, offsets, mode="sum", include_last_offset=True)
    return total.view(-1, *values.shape[1:])


def segment_mean(values: Tensor, segments: Segments) -> Tensor:
    """Average rows by segment: (R, …) → (S, …); empty segments give 0."""
    counts = segments.counts.clamp_min(1).to(values.dtype)
    return segment_sum(values, segments) / counts.view(-1, *[1] * (values.dim() - 1))


def segment_mean_std(values: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (of the population) of rows by segment.

    Args:
        values: (R, C).
        segments: the S runs.

    Returns:
        Two (S, C); a variance up to 1e-5 counts as zero, with zero gradient, because the
        root's gradient has no bound there.
    """
    mean = segment_mean(values, segments)
    variance = segment_mean(values.square(), segments) - mean.square()
    root = variance.clamp_min(MIN_VARIANCE).sqrt()
    return mean, root.masked_fill(variance <= MIN_VARIANCE, 0.0)


def segment_min_max(values: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
    """Smallest and largest rows by segment, each (R, C) → (S, C); empty segments give 0.

    Rows that share an extreme value share its gradient.
    """
    if plain():
        return _reduced(values, segments, "amin"), _reduced(values, segments, "amax")
    apply = cast(Callable[[Tensor, Segments], tuple[Tensor, Tensor]], _MinMax.apply)
    return apply(values, segments)


def _reduced(values: Tensor, segments: Segments, kind: str) -> Tensor:
    total = values.new_zeros(segments.num_segments, values.shape[1])
    index = segments.index.unsqueeze(1).expand_as(values)
    return total.scatter_reduce(0, index, values, kind, include_self=False)


class _MinMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
        smallest, largest = _extremes(values, segments)
        filled = segments.counts.unsqueeze(1) > 0
        smallest, largest = smallest.where(filled, 0), largest.where(filled, 0)
        ctx.segments = segments
        ctx.save_for_backward(values, smallest, largest)
        return smallest, largest

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        values, *extremes = ctx.saved_tensors
        to_smallest, to_largest = (
            _routed(grad, values, extreme, ctx.segments)
            for grad, extreme in zip(grads, extremes, strict=True)
        )
        return to_smallest + to_largest, None


def _extremes(values: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
    """Smallest and largest rows; what empty segments give is undefined."""
    if not len(values):
        nothing = values.new_zeros(segments.num_segments, values.shape[1])
        return nothing, nothing
    if segments.padding is None:
        smallest, largest = (
            torch.segment_reduce(values, kind, offsets=segments.offsets, axis=0)
            for kind in ("min", "max")
        )
        return smallest, largest
    padded = values.index_select(0, segments.padding.flatten())
    padded = padded.view(*segments.padding.shape, values.shape[1])  # (S, longest, C)
    return padded.amin(1), padded.amax(1)


def _routed(grad: Tensor, values: Tensor, extremes: Tensor, segments: Segments) -> Tensor:
    """Send the gradient of each extreme to the rows that reach it, in equal shares."""
    with torch.no_grad():
        # 1 where equal, else 0; a comparison into booleans is four times slower on a CPU
        hits = segments.spread(extremes).sub_(values).sign_().abs_().neg_().add_(1.0)
        shares = segment_sum(hits, segments).clamp_min(1.0)
    return in_place_mul()(segments.spread(grad / shares), hits)


def in_place_mul() -> Callable[[Tensor, Tensor], Tensor]:
    """Product that overwrites its first factor, unless gradients of gradients are being recorded.

    For large temporaries in a backward pass: fresh memory costs more than the product.
    """
    return torch.mul if torch.is_grad_enabled() else Tensor.mul_
