"""Multi-atomic cluster expansion."""

from hydria.models.mace.stack import MACEStack

__all__ = ["MACEStack"]
