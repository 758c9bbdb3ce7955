"""Principal neighbourhood aggregation of messages gated by distance."""

from hydria.models.pna_plus.stack import PNAPlusStack

__all__ = ["PNAPlusStack"]
