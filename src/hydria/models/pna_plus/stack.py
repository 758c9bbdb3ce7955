"""The PNAPlus architecture."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from hydria.config.architectures.pna_plus import PNAPlus
from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.pna.aggregation import ScaledLinear, aggregates
from hydria.models.pna.scalers import DegreeScalers
from hydria.models.pna.stack import SCALERS
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear
from hydria.nn.radial import BesselBasis


class Surroundings(NamedTuple):
    """What the layers want to know of edges and degrees."""

    basis: Tensor
    """(E, num_radial)."""
    factors: Tensor
    """(N, scalers)."""


class PNAPlusConv(nn.Module):
    """PNA of the messages ``(W [x_i, x_j, e_ij]) ⊙ (V b_ij)``, with e_ij from the basis b_ij.

    ``e = ReLU(linear(b))``; edge features, where there are any, are joined to it by one more
    linear layer.

    Source: HydraGNN's extension of Corso et al. 2020, arXiv:2004.05718.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        edge_dim: int,
        num_radial: int,
        activation: nn.Module | None = None,
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of the nodes before and after.
            edge_dim: columns of the edge features, or 0.
            num_radial: size of the radial basis.
            activation: instead of ReLU.
        """
        super().__init__()
        self.activation = activation or nn.ReLU()
        self.embed = nn.Linear(num_radial, in_dim)
        self.filter = nn.Linear(num_radial, in_dim, bias=False)
        self.edge_encoder = nn.Linear(edge_dim + in_dim, in_dim) if edge_dim else None
        self.pre = EdgeLinear(in_dim, in_dim, in_dim)
        self.post = ScaledLinear(in_dim, out_dim, len(SCALERS))
        self.lin = nn.Linear(out_dim, out_dim)

    def forward(self, nodes: NodeState, edges: Edges, around: Surroundings) -> NodeState:
        """Convolve (N, in_dim) features."""
        features = self.activation(self.embed(around.basis))  # (E, in_dim)
        if self.edge_encoder is not None and edges.features is not None:
            features = self.edge_encoder(torch.cat([edges.features, features], dim=1))
        messages = self.pre(nodes.x, edges, features) * self.filter(around.basis)
        gathered = aggregates(messages, edges)
        x = self.lin(self.post(nodes.x, gathered, around.factors))
        return NodeState(x, nodes.equivariant)


class PNAPlusStack(MessagePassingStack):
    """PNA gated by a Bessel basis of the distances, with batch norm."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        options = self.options
        cutoff = required_cutoff(spec)
        self.basis = BesselBasis(cutoff, options.num_radial, options.envelope_exponent)
        self.degrees = DegreeScalers(spec.pna_deg, SCALERS)
        if options.freeze_conv_layers:
            self.basis.requires_grad_(False)

    @property
    def options(self) -> PNAPlus:
        """The options of this architecture."""
        return cast(PNAPlus, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A gated PNA layer."""
        activation = self.activation if self.spec.smooth else None
        return PNAPlusConv(in_dim, out_dim, self.edge_dim, self.options.num_radial, activation)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings:
        """The radial basis of the edges and the degree factors of the nodes."""
        assert pos is not None
        return Surroundings(self.basis(edges.lengths(pos)), self.degrees(edges))
