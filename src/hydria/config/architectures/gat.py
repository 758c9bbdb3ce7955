"""Options of GAT."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count, Real


class GAT(Architecture):
    """Graph attention, version 2 (Brody et al. 2022, arXiv:2105.14491)."""

    mpnn_type: Literal["GAT"]
    heads: Count = 6
    """Attention heads per layer."""
    negative_slope: Real = 0.05
    """Slope of the leaky ReLU below zero."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Part of the attention that is dropped in training."""
