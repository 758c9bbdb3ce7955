"""Options of CGCNN."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture
from hydria.config.base import Count


class CGCNN(Architecture):
    """Crystal graph network (Xie and Grossman 2018, arXiv:1710.10324)."""

    mpnn_type: Literal["CGCNN"]
    num_gaussians: Count | None = None
    """Gaussians that expand the edge lengths; none: lengths as they are."""
