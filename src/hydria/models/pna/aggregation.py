"""What PNA and its relatives share: four aggregates, and weights for each degree scaler."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.nn.edges import Edges
from hydria.nn.segments import MIN_VARIANCE, segment_min_max, segment_sum
from hydria.nn.statistics import segment_statistics

NUM_AGGREGATES = 4


def aggregates(messages: Tensor, edges: Edges, offset: Tensor | None = None) -> Tensor:
    """Mean, min, max and standard deviation of the messages to each node.

    Args:
        messages: (E, C).
        edges: the edges.
        offset: (N, C) what all messages to a node have in common; it moves mean, min and max and
            leaves the standard deviation.

    Returns:
        (N, 4·C); zero for nodes without neighbours.
    """
    if edges.fading is not None:
        return _fading_aggregates(messages, edges, edges.fading, offset)
    mean, std, smallest, largest = segment_statistics(messages, edges.by_target)
    if offset is not None:
        offset = offset * (edges.by_target.counts > 0).to(offset.dtype).unsqueeze(1)
        mean, smallest, largest = mean + offset, smallest + offset, largest + offset
    return torch.cat([mean, smallest, largest, std], dim=1)


def _fading_aggregates(
    messages: Tensor, edges: Edges, fading: Tensor, offset: Tensor | None
) -> Tensor:
    """The same with messages that go to zero at the cutoff, and one message of zero beside them.

    So the aggregates are continuous when a neighbour comes or goes, the last one too.
    """
    by_target = edges.by_target
    if offset is not None:
        messages = messages + by_target.spread(offset)
    faded = messages * fading
    total = 1.0 + segment_sum(fading, by_target)
    mean = segment_sum(faded, by_target) / total
    variance = segment_sum(faded * messages, by_target) / total - mean.square()
    std = (variance.clamp_min(0.0) + MIN_VARIANCE).sqrt() - MIN_VARIANCE**0.5
    smallest, largest = segment_min_max(faded, by_target)
    return torch.cat([mean, smallest.clamp_max(0.0), largest.clamp_min(0.0), std], dim=1)


class ScaledLinear(nn.Linear):
    """A linear layer over ``[x, s₁ a, s₂ a, …]``: features x, aggregates a, degree scalers s."""

    def __init__(self, in_dim: int, out_dim: int, num_scalers: int) -> None:
        super().__init__((NUM_AGGREGATES * num_scalers + 1) * in_dim, out_dim)
        self.in_dim, self.num_scalers = in_dim, num_scalers

    def forward(self, x: Tensor, gathered: Tensor, factors: Tensor) -> Tensor:  # type: ignore[override]
        """(N, in_dim) features, (N, 4·in_dim) aggregates, (N, scalers) factors → (N, out_dim)."""
        own = functional.linear(x, self.weight[:, : self.in_dim], self.bias)
        weight = self.weight[:, self.in_dim :].view(self.out_features, self.num_scalers, -1)
        by_scaler = weight.transpose(0, 1).reshape(self.num_scalers * self.out_features, -1)
        products = functional.linear(gathered, by_scaler)
        products = products.view(-1, self.num_scalers, self.out_features)
        return own + (products * factors.unsqueeze(2)).sum(1)
