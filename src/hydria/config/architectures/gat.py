"""Options of GAT."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from hydria.config.architectures.base import Architecture


class GAT(Architecture):
    """Graph attention, version 2 (Brody et al. 2022, arXiv:2105.14491)."""

    mpnn_type: Literal["GAT"]
    heads: PositiveInt = 6
    """Attention heads per layer."""
    negative_slope: float = 0.05
    """Slope of the leaky ReLU below zero."""
