"""Graph attention."""

from hydria.models.gat.stack import GATStack

__all__ = ["GATStack"]
