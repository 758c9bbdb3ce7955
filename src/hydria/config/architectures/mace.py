"""Options of MACE."""

from __future__ import annotations

from typing import Annotated, Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count, Positive, described


class MACE(Architecture):
    """Multi-atomic cluster expansion (Batatia et al. 2022, arXiv:2206.07697)."""

    mpnn_type: Literal["MACE"]
    num_radial: Count = 8
    """Radial basis functions."""
    max_ell: Count = 2
    """Highest degree of the spherical harmonics."""
    node_max_ell: Count = 1
    """Highest degree of the hidden features."""
    correlation: Annotated[
        Count | tuple[Count, ...], described("a whole number > 0, or a list of them")
    ] = 2
    """Body order minus one, of all layers or of each; the manual calls it interaction_order."""
    radial_type: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    """Radial basis."""
    distance_transform: Literal["Agnesi", "Soft"] | None = None
    """Transform of the distances before the radial basis."""
    envelope_exponent: Count = 5
    """Exponent of the smooth cutoff."""
    enable_cueq: bool = False
    """On NVIDIA GPUs, let cuEquivariance sum messages and products."""
    avg_num_neighbors: Positive | None = None
    """Normalisation of the messages; measured from the data when left out."""
