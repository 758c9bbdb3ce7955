"""Features that turn with the structure: spherical degrees, their couplings, linear layers.

Features of degrees 0 … l lie in one axis of length (l + 1)²; degree l has the parity (-1)^l
throughout, and all degrees have equally many channels.
"""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor, nn

Path = tuple[int, int, int]


def span(degree: int) -> slice:
    """Where a degree lies in an axis of (l + 1)² components."""
    return slice(degree**2, (degree + 1) ** 2)


def natural(degree: int) -> o3.Irrep:
    """The irrep of a degree with the parity of spherical harmonics."""
    return o3.Irrep(degree, (-1) ** degree)


def couplings(node_lmax: int, edge_lmax: int, out_lmax: int) -> list[Path]:
    """(l₁ of nodes, l₂ of edges, l₃ out) that angular momentum and parity allow."""
    return [
        (first, second, third)
        for first in range(node_lmax + 1)
        for second in range(edge_lmax + 1)
        for third in range(abs(first - second), min(first + second, out_lmax) + 1)
        if (first + second + third) % 2 == 0
    ]


def clebsch_gordan(path: Path) -> Tensor:
    """(2l₁+1, 2l₂+1, 2l₃+1) coefficients; unit features give features of unit size."""
    first, second, third = path
    coefficients: Tensor = o3.wigner_3j(first, second, third, dtype=torch.float64)
    scaled: Tensor = coefficients * (2 * third + 1) ** 0.5
    return scaled


class Mixing(nn.Module):
    """A linear layer over the channels of each degree: no bias, weights of unit variance."""

    def __init__(self, lmax: int, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(lmax + 1, in_dim, out_dim))
        self.scale = in_dim**-0.5

    def forward(self, features: Tensor) -> Tensor:
        """(N, components, in_dim) → (N, components of the degrees it has, out_dim)."""
        weight = self.weight * self.scale
        return torch.cat([features[:, span(d)] @ weight[d] for d in range(len(weight))], dim=1)
