"""Directional messages between edges."""

from hydria.models.dimenet.stack import DimeNetStack

__all__ = ["DimeNetStack"]
