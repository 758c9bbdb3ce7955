"""The continuous-filter convolution of SchNet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.messages import gated_sum
from hydria.nn.segments import Segments, segment_mean, segment_sum


class Distances(NamedTuple):
    """The lengths of the edges as the filters see them; E of them, or one for each pair."""

    basis: Tensor
    """(E, num_gaussians)."""
    weight: Tensor
    """(E, 1) cutoff function."""
    pairs: Segments | None = None
    """The edges grouped into pairs of one length, for which filters are generated once."""


Expand = Callable[[Tensor], Distances]
"""From (E,) lengths, Å; what a layer is given where positions move, in place of distances."""


class CFConv(nn.Module):
    """``lin2(Σ_j lin1(x_j) · W(d_ij))`` with filters W generated from distances.

    The filter network is Linear, shifted softplus, Linear; edge features, where there are any,
    join its first layer.

    With `moves`, ``pos_i' = pos_i + mean_j (pos_j - pos_i) / (d_ij + 1) · φ(W(d_ij))``, the
    filters and cutoff function as they are for the features.

    Source: Schütt et al. 2017, arXiv:1706.08566, section 4.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        num_gaussians: int,
        num_filters: int,
        edge_dim: int,
        moves: bool = False,
        activation: nn.Module | None = None,
        smooth_over: float | None = None,
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of the nodes before and after.
            num_gaussians: size of the distance basis.
            num_filters: channels of the filters.
            edge_dim: columns of the edge features, or 0.
            moves: whether the layer moves the positions.
            activation: of the network of the steps, instead of ReLU.
            smooth_over: neighbours that steps are divided by, which then fade out at the cutoff;
                None: by those that there are.
        """
        super().__init__()
        self.smooth_over = smooth_over
        self.lin1 = nn.Linear(in_dim, num_filters, bias=False)
        self.lin2 = nn.Linear(num_filters, out_dim)
        self.expand = nn.Linear(num_gaussians, num_filters)
        self.generate = nn.Linear(num_filters, num_filters)
        self.edge = nn.Linear(edge_dim, num_filters, bias=False) if edge_dim else None
        self.coord_mlp = self._coord_mlp(num_filters, activation) if moves else None
        nn.init.xavier_uniform_(self.lin1.weight)
        nn.init.xavier_uniform_(self.lin2.weight)
        nn.init.zeros_(self.lin2.bias)

    @staticmethod
    def _coord_mlp(num_filters: int, activation: nn.Module | None) -> nn.Sequential:
        last = nn.Linear(num_filters, 1, bias=False)
        nn.init.xavier_uniform_(last.weight, gain=0.001)  # steps start small
        return nn.Sequential(nn.Linear(num_filters, num_filters), activation or nn.ReLU(), last)

    def forward(self, nodes: NodeState, edges: Edges, around: Distances | Expand) -> NodeState:
        """Convolve.

        Args:
            nodes: (N, in_dim) features; (N, 3) positions where positions move, else None.
            edges: the edges.
            around: their distances, or how to expand them where positions move.
        """
        x, pos = nodes.x, nodes.equivariant
        if isinstance(around, Distances):
            filters = self.filters(edges, around)
            return nodes._replace(x=self._summed(x, filters, around, edges))
        assert pos is not None
        vectors = edges.vectors(pos)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        distances = around(lengths)
        filters = self.filters(edges, distances)
        if self.coord_mlp is not None:
            steps = self.coord_mlp(filters * distances.weight) / (lengths.unsqueeze(1) + 1.0)
            if self.smooth_over is None:
                pos = pos - segment_mean(vectors * steps, edges.by_target)
            else:
                steps = vectors * (steps * (distances.weight / self.smooth_over))
                pos = pos - segment_sum(steps, edges.by_target)
        return nodes._replace(x=self._summed(x, filters, distances, edges), equivariant=pos)

    def _summed(self, x: Tensor, filters: Tensor, distances: Distances, edges: Edges) -> Tensor:
        summed = gated_sum(self.lin1(x), filters, distances.weight, edges, distances.pairs)
        result: Tensor = self.lin2(summed)
        return result

    def filters(self, edges: Edges, distances: Distances) -> Tensor:
        """(E, num_filters) or one row for each pair, without the cutoff function."""
        hidden = self.expand(distances.basis)
        if self.edge is not None:
            hidden = hidden + self.edge(edges.features)
        # softplus is shifted by ln 2; the shift goes into the bias, which saves a pass over edges
        weight = self.generate.weight
        bias = self.generate.bias - math.log(2.0) * weight.sum(1)
        return functional.linear(functional.softplus(hidden), weight, bias)
