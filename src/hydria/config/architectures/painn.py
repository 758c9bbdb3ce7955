"""Options of PAINN."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count


class PAINN(Architecture):
    """Polarisable atom interaction network (Schütt et al. 2021, arXiv:2102.03150)."""

    mpnn_type: Literal["PAINN"]
    num_radial: Count = 6
    """Radial basis functions."""
    num_spherical: Count = 7
    """No effect; read because the manual prints it, but PaiNN has no spherical basis."""
