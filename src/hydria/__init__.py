"""Hydria: from a JSON file to a finished training run on a supercomputer."""

from hydria._version import __version__

__all__ = ["__version__"]
