"""Message-passing architectures, their heads, and how a model is built from its spec."""

from hydria.models.build import build_model

__all__ = ["build_model"]
