"""Options of MFC."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures.base import Architecture


class MFC(Architecture):
    """Molecular fingerprints by degree (Duvenaud et al. 2015, arXiv:1509.09292)."""

    mpnn_type: Literal["MFC"]
