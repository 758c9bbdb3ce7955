"""Graph isomorphism network."""

from hydria.models.gin.stack import GINStack

__all__ = ["GINStack"]
