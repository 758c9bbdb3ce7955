"""Options of SchNet."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count


class SchNet(Architecture):
    """Continuous-filter convolutions (Schütt et al. 2017, arXiv:1706.08566)."""

    mpnn_type: Literal["SchNet"]
    num_gaussians: Count = 50
    """Gaussians that expand the distances."""
    num_filters: Count = 128
    """Width of the filters."""
