"""Degree scalers: how an aggregate grows or shrinks with the number of neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hydria.nn.edges import Edges
from hydria.nn.segments import segment_sum

Scaler = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

# (degree, the same but not below 1, mean degree, mean log(degree + 1)) → factor
SCALERS: dict[str, Scaler] = {
    "identity": lambda degree, positive, linear, log: torch.ones_like(degree),
    "amplification": lambda degree, positive, linear, log: (degree + 1).log() / log,
    "attenuation": lambda degree, positive, linear, log: log / (positive + 1).log(),
    "linear": lambda degree, positive, linear, log: degree / linear,
    "inverse_linear": lambda degree, positive, linear, log: linear / positive,
}


class DegreeScalers(nn.Module):
    """Factors of each node, relative to the degrees of the training set.

    Source: Corso et al. 2020, arXiv:2004.05718, section 2.
    """

    avg_deg_lin: Tensor
    avg_deg_log: Tensor

    def __init__(self, degrees: Sequence[int], scalers: Sequence[str]) -> None:
        """Take the averages.

        Args:
            degrees: nodes of the training set by in-degree, 0 first.
            scalers: names from `SCALERS`.
        """
        super().__init__()
        self.scalers = tuple(scalers)
        for name, weigh in (("lin", float), ("log", math.log1p)):
            average = _average(degrees, weigh)
            buffer = torch.tensor([average], dtype=torch.float64)
            self.register_buffer(f"avg_deg_{name}", buffer)

    def forward(self, edges: Edges) -> Tensor:
        """(N, scalers) factors."""
        if edges.fading is None:
            degree = edges.by_target.counts.to(self.avg_deg_lin.dtype)
            positive = degree.clamp_min(1)
        else:  # neighbours that fade out count less and less
            degree = segment_sum(edges.fading, edges.by_target).squeeze(1)
            positive = (degree.square() + 1.0).sqrt()
        means = (self.avg_deg_lin, self.avg_deg_log)
        return torch.stack(
            [SCALERS[name](degree, positive, *means) for name in self.scalers], dim=1
        )


def _average(degrees: Sequence[int], weigh: Callable[[int], float]) -> float:
    """Mean of `weigh(degree)` over the nodes; 1 where it would be zero and could not divide."""
    total = sum(weigh(degree) * nodes for degree, nodes in enumerate(degrees))
    return total / sum(degrees) if total else 1.0
