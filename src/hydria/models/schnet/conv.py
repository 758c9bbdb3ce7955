"""The continuous-filter convolution of SchNet."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.messages import gated_sum


class Distances(NamedTuple):
    """The lengths of the edges as the filters see them."""

    basis: Tensor
    """(E, num_gaussians)."""
    weight: Tensor
    """(E, 1) cutoff function."""


class CFConv(nn.Module):
    """``lin2(Σ_j lin1(x_j) · W(d_ij))`` with filters W generated from distances.

    The filter network is Linear, shifted softplus, Linear; edge features, where there are any,
    join its first layer.

    Source: Schütt et al. 2017, arXiv:1706.08566, section 4.
    """

    def __init__(
        self, in_dim: int, out_dim: int, num_gaussians: int, num_filters: int, edge_dim: int
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of the nodes before and after.
            num_gaussians: size of the distance basis.
            num_filters: channels of the filters.
            edge_dim: columns of the edge features, or 0.
        """
        super().__init__()
        self.lin1 = nn.Linear(in_dim, num_filters, bias=False)
        self.lin2 = nn.Linear(num_filters, out_dim)
        self.expand = nn.Linear(num_gaussians, num_filters)
        self.generate = nn.Linear(num_filters, num_filters)
        self.edge = nn.Linear(edge_dim, num_filters, bias=False) if edge_dim else None
        nn.init.xavier_uniform_(self.lin1.weight)
        nn.init.xavier_uniform_(self.lin2.weight)
        nn.init.zeros_(self.lin2.bias)

    def forward(self, nodes: NodeState, edges: Edges, distances: Distances) -> NodeState:
        """Convolve (N, in_dim) features."""
        filters = self.filters(edges, distances)
        summed = gated_sum(self.lin1(nodes.x), filters, distances.weight, edges)
        return NodeState(self.lin2(summed), nodes.equivariant)

    def filters(self, edges: Edges, distances: Distances) -> Tensor:
        """(E, num_filters), without the cutoff function."""
        hidden = self.expand(distances.basis)
        if self.edge is not None:
            hidden = hidden + self.edge(edges.features)
        # softplus is shifted by ln 2; the shift goes into the bias, which saves a pass over edges
        weight = self.generate.weight
        bias = self.generate.bias - math.log(2.0) * weight.sum(1)
        return functional.linear(functional.softplus(hidden), weight, bias)
