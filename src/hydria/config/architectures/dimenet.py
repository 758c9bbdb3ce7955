"""Options of DimeNet."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from hydria.config.architectures.base import Architecture


class DimeNet(Architecture):
    """DimeNet++ (Gasteiger et al. 2020, arXiv:2011.14115)."""

    mpnn_type: Literal["DimeNet"]
    basis_emb_size: PositiveInt = 8
    int_emb_size: PositiveInt = 64
    out_emb_size: PositiveInt = 128
    num_before_skip: PositiveInt = 1
    num_after_skip: PositiveInt = 2
    num_radial: PositiveInt = 6
    num_spherical: PositiveInt = 7
    envelope_exponent: PositiveInt = 5
