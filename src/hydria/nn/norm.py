"""Batch norm whose statistics are those of the global batch, however many ranks share it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hydria.runtime.collectives import global_sum, is_distributed


class GlobalBatchNorm(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over the rows of all ranks together.

    The statistics are joined by one differentiable all-reduce, so that N ranks compute what one
    process would, empty ranks included. On one process it is `torch.nn.functional.batch_norm`;
    a global batch of a single row, which that refuses, is normalised to the bias.
    """

    def __init__(self, num_features: int, sync: bool = True) -> None:
        """Make the layer.

        Args:
            num_features: C.
            sync: whether ranks share their statistics; else each rank uses its own.
        """
        super().__init__(num_features)
        self.sync = sync

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C) rows; N may be zero."""
        if not self.training:
            return super().forward(x)
        if not (self.sync and is_distributed()) and len(x) > 1:
            return super().forward(x)
        count, mean, variance = self._statistics(x)
        self._track(count, mean.detach(), variance.detach())
        scale = self.weight * torch.rsqrt(variance.to(x.dtype) + self.eps)
        return (x - mean.to(x.dtype)) * scale + self.bias

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (), means (C,) and biased variances (C,) of the global batch, in float64."""
        rows = max(len(x), 1)
        mean = x.sum(0) / rows
        squares = (x - mean).square().sum(0)
        # float64 makes the difference of squares below harmless
        wide, spread = mean.double(), squares.double()
        count = wide.new_full((1,), float(len(x)))
        local = torch.cat([count, wide * len(x), spread + wide.square() * len(x)])
        total = global_sum(local) if self.sync else local
        mean, square = (total[1:] / total[0].clamp_min(1.0)).chunk(2)
        return total[0], mean, (square - mean.square()).clamp_min(0.0)

    @torch.no_grad()
    def _track(self, count: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, with the unbiased variance, as BatchNorm1d does."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        unbiased = variance * (count / (count - 1).clamp_min(1.0))
        weight = (count > 0).to(self.running_mean.dtype) * self.momentum
        for running, value in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.lerp_(value.to(running.dtype), weight)
