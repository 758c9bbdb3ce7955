"""Options of DimeNet."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count


class DimeNet(Architecture):
    """DimeNet++ (Gasteiger et al. 2020, arXiv:2011.14115)."""

    mpnn_type: Literal["DimeNet"]
    basis_emb_size: Count = 8
    """Width of the embedded basis."""
    int_emb_size: Count = 64
    """Width of the interactions between triplets."""
    out_emb_size: Count = 128
    """Width of the output blocks."""
    num_before_skip: Count = 1
    """Residual layers before the skip connection."""
    num_after_skip: Count = 2
    """Residual layers after the skip connection."""
    num_radial: Count = 6
    """Radial basis functions."""
    num_spherical: Count = 7
    """Spherical basis functions."""
    envelope_exponent: Count = 5
    """Exponent of the smooth cutoff."""
    width_of_input: bool = False
    """Messages as wide as the features that enter a layer, as in HydraGNN; else hidden_dim."""
