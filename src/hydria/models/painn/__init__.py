"""Convolutions over scalar and vector features."""

from hydria.models.painn.stack import PAINNStack

__all__ = ["PAINNStack"]
