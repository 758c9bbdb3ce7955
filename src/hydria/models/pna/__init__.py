"""Principal neighbourhood aggregation."""

from hydria.models.pna.stack import PNAStack

__all__ = ["PNAStack"]
