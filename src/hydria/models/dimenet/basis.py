"""The basis of distances and angles: spherical Bessel functions and Legendre polynomials."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import torch
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor, nn

from hydria.nn.cutoffs import polynomial_cutoff

# terms of the power series, enough for float64 where it is used
NUM_TERMS = 24


class SphericalBessel(nn.Module):
    """``sqrt(2) / |j_{l+1}(z_ln)| · j_l(z_ln d / r) · u(d / r) / (d / r)``, z_ln the zeros of j_l.

    Source: Gasteiger et al. 2020, arXiv:2003.03123, eq. (6), up to a constant; u is eq. (8).
    """

    zeros: Tensor
    norms: Tensor

    def __init__(
        self, cutoff: float, num_spherical: int, num_radial: int, envelope_exponent: int
    ) -> None:
        """Find the zeros.

        Args:
            cutoff: r, Å.
            num_spherical: number of l, from 0.
            num_radial: number of n, from 1.
            envelope_exponent: of the polynomial that ends the functions at the cutoff.
        """
        super().__init__()
        self.cutoff, self.envelope_exponent = cutoff, envelope_exponent
        zeros = bessel_zeros(num_spherical, num_radial)
        norms = [
            [math.sqrt(2.0) / abs(float(spherical_jn(degree + 1, zero))) for zero in row]
            for degree, row in enumerate(zeros)
        ]
        self.register_buffer("zeros", torch.tensor(zeros, dtype=torch.float64))
        self.register_buffer("norms", torch.tensor(norms, dtype=torch.float64))

    def forward(self, lengths: Tensor) -> Tensor:
        """Expand (E,) distances > 0 into (E, num_spherical, num_radial)."""
        scaled = lengths / self.cutoff
        fade = polynomial_cutoff(scaled, self.envelope_exponent) / scaled
        values = [
            spherical_bessel(degree, scaled.unsqueeze(1) * row)
            for degree, row in enumerate(self.zeros)
        ]
        return torch.stack(values, dim=1) * self.norms * fade.view(-1, 1, 1)


def bessel_zeros(num_spherical: int, num_radial: int) -> list[list[float]]:
    """The first zeros of j_0, j_1, …; those of j_l lie between neighbouring ones of j_{l-1}."""
    rows = [[n * math.pi for n in range(1, num_radial + num_spherical)]]
    for degree in range(1, num_spherical):
        function = partial(spherical_jn, degree)
        brackets = pairwise(rows[-1])
        rows.append([float(brentq(function, *bracket, xtol=1e-14)) for bracket in brackets])
    return [row[:num_radial] for row in rows]


def spherical_bessel(degree: int, x: Tensor) -> Tensor:
    """j_l(x) for x > 0, any shape.

    Upward recurrence loses all digits where x is much smaller than l; a power series serves
    there.
    """
    small = x < degree + 1.0
    series = _series(degree, x.masked_fill(~small, 1.0))
    return torch.where(small, series, _recurrence(degree, x.masked_fill(small, degree + 1.0)))


def _series(degree: int, x: Tensor) -> Tensor:
    term = (x**degree) / math.prod(range(1, 2 * degree + 2, 2))
    total, step = term, -0.5 * x.square()
    for k in range(1, NUM_TERMS):
        term = term * step / (k * (2 * degree + 2 * k + 1))
        total = total + term
    return total


def _recurrence(degree: int, x: Tensor) -> Tensor:
    before, value = torch.cos(x) / x, torch.sin(x) / x
    for below in range(degree):
        before, value = value, (2 * below + 1) / x * value - before
    return value


def legendre(num_spherical: int, cosines: Tensor) -> Tensor:
    """``sqrt((2 l + 1) / 4π) P_l(cos θ)``, the spherical harmonics Y_l0, in a new last dimension.

    Args:
        num_spherical: number of l, from 0.
        cosines: any shape.
    """
    values = [torch.ones_like(cosines), cosines]
    for degree in range(2, num_spherical):
        first = (2 * degree - 1) * cosines * values[-1]
        values.append((first - (degree - 1) * values[-2]) / degree)
    scaled = [
        math.sqrt((2 * degree + 1) / (4 * math.pi)) * value
        for degree, value in enumerate(values[:num_spherical])
    ]
    return torch.stack(scaled, dim=-1)
