"""Options of SchNet."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from hydria.config.architectures.base import Architecture


class SchNet(Architecture):
    """Continuous-filter convolutions (Schütt et al. 2017, arXiv:1706.08566)."""

    mpnn_type: Literal["SchNet"]
    num_gaussians: PositiveInt = 50
    """Gaussians that expand the distances."""
    num_filters: PositiveInt = 128
    """Width of the filters."""
