"""E(n)-equivariant convolutions."""

from hydria.models.egnn.stack import EGNNStack

__all__ = ["EGNNStack"]
