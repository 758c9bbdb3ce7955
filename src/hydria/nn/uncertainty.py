"""Weights of several losses, learnt from how noisy each target is."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UncertaintyWeighting(nn.Module):
    """``Σ_t w_t (exp(-s_t) L_t + s_t)`` with a trainable s_t, the logarithm of a variance, each.

    At first all s_t are zero and the sum is the plain one.

    Source: Kendall, Gal and Cipolla 2018, arXiv:1705.07115, eq. (7), up to factors of two.
    """

    def __init__(self, num_terms: int) -> None:
        """Make the layer for so many losses."""
        super().__init__()
        self.log_variances = nn.Parameter(torch.zeros(num_terms))

    def forward(self, losses: Tensor, weights: Tensor) -> Tensor:
        """(T,) losses and their fixed weights to a total."""
        terms = torch.exp(-self.log_variances) * losses + self.log_variances
        return (weights * terms).sum()
