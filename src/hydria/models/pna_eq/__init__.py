"""Principal neighbourhood aggregation over scalar and vector features."""

from hydria.models.pna_eq.stack import PNAEqStack

__all__ = ["PNAEqStack"]
