"""Options of PNAPlus."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from hydria.config.architectures.base import Architecture


class PNAPlus(Architecture):
    """PNA whose messages are gated by a radial basis."""

    mpnn_type: Literal["PNAPlus"]
    num_radial: PositiveInt = 6
    """Radial basis functions."""
    envelope_exponent: PositiveInt = 5
    """Exponent of the smooth cutoff."""
