"""Options of PNAPlus."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count


class PNAPlus(Architecture):
    """PNA whose messages are gated by a radial basis."""

    mpnn_type: Literal["PNAPlus"]
    num_radial: Count = 6
    """Radial basis functions."""
    envelope_exponent: Count = 5
    """Exponent of the smooth cutoff."""
