"""Options of SAGE."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture


class SAGE(Architecture):
    """GraphSAGE (Hamilton et al. 2017, arXiv:1706.02216)."""

    mpnn_type: Literal["SAGE"]
