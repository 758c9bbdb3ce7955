"""Functions that take interactions smoothly to zero at the cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cosine_cutoff(lengths: Tensor, cutoff: float) -> Tensor:
    """``(cos(π d / r) + 1) / 2`` inside the cutoff r, zero outside.

    Args:
        lengths: (E,) distances, Å.
        cutoff: r, Å.

    Returns:
        (E,) weights in [0, 1]; the value and its slope vanish at r.

    Source: Behler and Parrinello 2007; Schütt et al. 2017, arXiv:1706.08566.
    """
    inside = (lengths < cutoff).to(lengths.dtype)
    return 0.5 * (torch.cos(lengths * (math.pi / cutoff)) + 1.0) * inside


def polynomial_cutoff(scaled: Tensor, exponent: int) -> Tensor:
    """A polynomial that falls from 1 at zero to 0 at one, flat to the second derivative there.

    Args:
        scaled: distances divided by the cutoff, any shape.
        exponent: with p one more than it, the larger the later the fall.

    Returns:
        ``1 − (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) − p(p+1)/2 x^(p+2)``, and 0 beyond one.

    Source: Gasteiger et al. 2020, arXiv:2003.03123, eq. (8).
    """
    # as (1 − x)³ (1 + 3x + 6x² + 10x³ + …): sums of terms that cancel lose their digits near one
    rest = torch.zeros_like(scaled)
    for k in range(exponent, -1, -1):
        rest = rest * scaled + (k + 1) * (k + 2) / 2
    return (1.0 - scaled).clamp_min(0.0) ** 3 * rest
