"""Options of EGNN."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture


class EGNN(Architecture):
    """E(n)-equivariant network (Satorras et al. 2021, arXiv:2102.09844)."""

    mpnn_type: Literal["EGNN"]
