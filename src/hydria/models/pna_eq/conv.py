"""The layer of PNAEq: PNA aggregation of scalars, sums of vectors, PaiNN's update."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.models.painn.conv import EquivariantConv
from hydria.models.pna.aggregation import ScaledLinear, aggregates
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear
from hydria.nn.outer import OuterSums
from hydria.nn.vectors import carried_vectors


class Surroundings(NamedTuple):
    """What the layers want to know of edges and degrees."""

    edges: Edges
    sums: OuterSums
    basis: Tensor
    """(E, num_radial) radial basis times the cutoff function."""
    directions: Tensor
    """(E, 3) unit vectors towards the neighbour."""
    factors: Tensor
    """(N, scalers) degree scalers."""


class PNAEqConv(EquivariantConv):
    """PaiNN with messages that also see the target, and with PNA's aggregation of scalars.

    ``m_ij = φ(W [x_i, x_j, tanh(V b_ij), e_ij]) ⊙ U b_ij`` with a radial basis b, split into gates
    of v_j, gates of the direction, and scalars. Scalars are aggregated by mean, min, max and
    standard deviation under five degree scalers, vectors are summed.

    Source: HydraGNN's joining of Schütt et al. 2021, arXiv:2102.03150, and Corso et al. 2020,
    arXiv:2004.05718.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        num_radial: int,
        edge_dim: int,
        num_scalers: int,
        last: bool,
        softening: float = 0.0,
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of scalars and of vectors before and after.
            num_radial: size of the radial basis.
            edge_dim: columns of the edge features, or 0.
            num_scalers: degree scalers.
            last: whether no layer follows that needs its vectors.
            softening: of the lengths of vectors, see `PaiNNUpdate`.
        """
        super().__init__(in_dim, out_dim, last, softening)
        self.message = PNAEqMessage(in_dim, num_radial, edge_dim, num_scalers)


class PNAEqMessage(nn.Module):
    """The messages of `PNAEqConv` and their aggregation."""

    def __init__(self, dim: int, num_radial: int, edge_dim: int, num_scalers: int) -> None:
        super().__init__()
        self.dim = dim
        self.embed = nn.Linear(num_radial, dim)
        self.edge_encoder = nn.Linear(edge_dim, dim) if edge_dim else None
        self.pre = EdgeLinear(dim, (2 if edge_dim else 1) * dim, dim)
        self.first = nn.Linear(dim, dim)
        self.second = nn.Linear(dim, dim)
        self.third = nn.Linear(dim, 3 * dim)
        self.filter = nn.Linear(num_radial, 3 * dim, bias=False)
        self.post = ScaledLinear(dim, dim, num_scalers)

    def forward(
        self, x: Tensor, vectors: Tensor | None, around: Surroundings
    ) -> tuple[Tensor, Tensor]:
        """New scalars (N, C) and vectors (N, 3, C)."""
        hidden = functional.silu(self.second(self._joined(x, around).tanh_()))  # (E, C)
        weights = (self.third.weight, self.third.bias, self.filter.weight)
        of_vectors, of_directions, of_scalars = (
            functional.linear(hidden, weight, bias).mul_(functional.linear(around.basis, filters))
            for weight, bias, filters in zip(*(w.chunk(3) for w in weights), strict=True)
        )
        gathered = aggregates(of_scalars, around.edges)
        to_vectors = around.sums.of_edges(around.directions, of_directions)
        if vectors is not None:
            to_vectors = to_vectors + vectors + carried_vectors(vectors, of_vectors, around.edges)
        return x + self.post(x, gathered, around.factors), to_vectors

    def _joined(self, x: Tensor, around: Surroundings) -> Tensor:
        """(E, C): the first two linear layers as one, and the edge encoder with them."""
        first = self.first.weight
        bias = first @ self.pre.bias + self.first.bias
        to_target, to_source, to_edge = (first @ part for part in self.pre.parts())
        to_basis, to_feature = to_edge.tensor_split([self.dim], dim=1)
        features = around.edges.features
        embedded = self.embed(around.basis).tanh_()
        if self.edge_encoder is not None and features is not None:
            bias = bias + to_feature @ self.edge_encoder.bias
            embedded = torch.cat([embedded, features], dim=1)
            to_basis = torch.cat([to_basis, to_feature @ self.edge_encoder.weight], dim=1)
        at_target, at_source = functional.linear(x, to_target, bias), x @ to_source.T
        edges = around.edges
        joined = edges.by_target.spread(at_target) + edges.from_source(at_source)
        return torch.addmm(joined, embedded, to_basis.T)
