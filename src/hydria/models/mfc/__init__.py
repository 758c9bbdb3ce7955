"""Molecular fingerprint convolutions."""

from hydria.models.mfc.stack import MFCStack

__all__ = ["MFCStack"]
