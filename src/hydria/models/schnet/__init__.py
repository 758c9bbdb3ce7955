"""Continuous-filter convolutions."""

from hydria.models.schnet.stack import SchNetStack

__all__ = ["SchNetStack"]
