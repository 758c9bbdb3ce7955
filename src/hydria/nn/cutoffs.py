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
