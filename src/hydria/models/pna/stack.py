"""The PNA architecture."""

from __future__ import annotations

from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack
from hydria.models.pna.conv import PNAConv
from hydria.models.pna.scalers import DegreeScalers
from hydria.nn.edges import Edges

SCALERS = ("identity", "amplification", "attenuation", "linear")


class PNAStack(MessagePassingStack):
    """PNA convolutions with batch norm; sees distances only through edge features."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.degrees = DegreeScalers(spec.pna_deg, SCALERS)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A PNA layer."""
        return PNAConv(in_dim, out_dim, self.edge_dim, len(SCALERS))

    def geometry(self, edges: Edges, pos: Tensor | None) -> Tensor:
        """(N, scalers) degree factors."""
        factors: Tensor = self.degrees(edges)
        return factors
