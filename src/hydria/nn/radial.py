"""Bases that expand distances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hydria.nn.cutoffs import polynomial_cutoff


class BesselBasis(nn.Module):
    """``sin(f_n d / r) / (d / r) · u(d / r)`` with trainable frequencies f_n, at first n π.

    Source: Gasteiger et al. 2020, arXiv:2003.03123, eqs. (7) and (8).
    """

    def __init__(self, cutoff: float, num_basis: int, envelope_exponent: int) -> None:
        """Make the basis.

        Args:
            cutoff: r, Å.
            num_basis: number of functions.
            envelope_exponent: of the polynomial that ends the functions at the cutoff.
        """
        super().__init__()
        self.cutoff, self.envelope_exponent = cutoff, envelope_exponent
        start = math.pi * torch.arange(1, num_basis + 1, dtype=torch.float64)
        self.frequencies = nn.Parameter(start)

    def forward(self, lengths: Tensor) -> Tensor:
        """Expand (E,) distances > 0 into (E, num_basis)."""
        scaled = lengths.unsqueeze(-1) / self.cutoff
        envelope = polynomial_cutoff(scaled, self.envelope_exponent)
        return torch.sin(self.frequencies * scaled) * (envelope / scaled)


class GaussianBasis(nn.Module):
    """Gaussians centred evenly on [0, cutoff], as wide as their spacing.

    Source: Schütt et al. 2017, arXiv:1706.08566, eq. (4).
    """

    centers: Tensor

    def __init__(self, cutoff: float, num_basis: int) -> None:
        """Place the Gaussians.

        Args:
            cutoff: last centre, Å.
            num_basis: number of Gaussians.
        """
        super().__init__()
        # in float64, so that a model made in float32 and used in float64 has exact centres
        centers = torch.linspace(0.0, cutoff, num_basis, dtype=torch.float64)
        self.register_buffer("centers", centers)
        self.cutoff = cutoff

    def forward(self, lengths: Tensor) -> Tensor:
        """Expand (E,) distances into (E, num_basis) values in (0, 1]."""
        # from the centres, which a loaded state may have rounded to another precision
        width = self.centers[1] - self.centers[0] if len(self.centers) > 1 else self.cutoff
        return torch.exp((lengths.unsqueeze(-1) - self.centers).square() * (-0.5 / width**2))


def sinc_basis(lengths: Tensor, num_basis: int, cutoff: float) -> Tensor:
    """``sin(n π d / r) / d`` for n = 1 … `num_basis`, which vanish at the cutoff r.

    Args:
        lengths: (E,) distances > 0, Å.
        num_basis: number of functions.
        cutoff: r, Å.

    Returns:
        (E, num_basis), 1/Å.

    Source: Schütt et al. 2021, arXiv:2102.03150, section 4, after Gasteiger et al. 2020.
    """
    n = torch.arange(1, num_basis + 1, device=lengths.device, dtype=lengths.dtype)
    distances = lengths.unsqueeze(1)
    return torch.sin(distances * (n * (math.pi / cutoff))) / distances
