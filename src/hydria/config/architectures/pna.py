"""Options of PNA."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture


class PNA(Architecture):
    """Principal neighbourhood aggregation (Corso et al. 2020, arXiv:2004.05718)."""

    mpnn_type: Literal["PNA"]
