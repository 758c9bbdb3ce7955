"""Options of PNAEq."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from hydria.config.architectures.base import Architecture


class PNAEq(Architecture):
    """PNA aggregation over scalar and vector features."""

    mpnn_type: Literal["PNAEq"]
    num_radial: PositiveInt = 6
    """Radial basis functions."""
