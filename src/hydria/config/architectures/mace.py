"""Options of MACE."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from hydria.config.architectures.base import Architecture


class MACE(Architecture):
    """Multi-atomic cluster expansion (Batatia et al. 2022, arXiv:2206.07697)."""

    mpnn_type: Literal["MACE"]
    num_radial: PositiveInt = 8
    """Radial basis functions."""
    max_ell: PositiveInt = 2
    """Highest degree of the spherical harmonics."""
    node_max_ell: PositiveInt = 1
    """Highest degree of the hidden features."""
    correlation: PositiveInt | tuple[PositiveInt, ...] = 2
    """Body order minus one, of all layers or of each; the manual calls it interaction_order."""
    radial_type: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    distance_transform: Literal["Agnesi", "Soft"] | None = None
    envelope_exponent: PositiveInt = 5
    avg_num_neighbors: PositiveFloat | None = None
    """Normalisation of the messages; measured from the data when left out."""
