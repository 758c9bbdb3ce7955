"""Options of PNAEq."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count


class PNAEq(Architecture):
    """PNA aggregation over scalar and vector features."""

    mpnn_type: Literal["PNAEq"]
    num_radial: Count = 6
    """Radial basis functions."""
