"""Options of GIN."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture


class GIN(Architecture):
    """Graph isomorphism network (Xu et al. 2019, arXiv:1810.00826)."""

    mpnn_type: Literal["GIN"]
