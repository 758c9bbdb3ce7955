"""The PaiNN layer: messages, update, new widths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hydria.models.painn.geometry import Surroundings
from hydria.models.state import NodeState
from hydria.nn.mlp import mlp
from hydria.nn.segments import segment_sum
from hydria.nn.vectors import carried_vectors


class EquivariantConv(nn.Module):
    """A message, PaiNN's update, then dense layers to the width that is asked for.

    Vectors are (N, 3, C); None stands for zeros, from which they start. The last layer of a chain
    hands on the vectors of its messages without an update of their own.

    Source: Schütt et al. 2021, arXiv:2102.03150, section 4; the dense layers are HydraGNN's.
    """

    message: nn.Module

    def __init__(self, in_dim: int, out_dim: int, last: bool, softening: float = 0.0) -> None:
        """Make all but the message.

        Args:
            in_dim, out_dim: channels of scalars and of vectors before and after.
            last: whether no layer follows that needs its vectors.
            softening: of the lengths of vectors, see `PaiNNUpdate`.
        """
        super().__init__()
        self.update = PaiNNUpdate(in_dim, last, softening)
        self.embed_scalars = mlp([in_dim, out_dim, out_dim], nn.Tanh())
        self.embed_vectors = None if last else nn.Linear(in_dim, out_dim, bias=False)
        self.same_width = in_dim == out_dim

    def forward(self, nodes: NodeState, edges: object, around: object) -> NodeState:
        """Convolve scalars (N, in_dim) and vectors (N, 3, in_dim) or None."""
        scalars, vectors = self.update(*self.message(nodes.x, nodes.equivariant, around))
        return NodeState(self.embed_scalars(scalars), self._widened(vectors))

    def _widened(self, vectors: Tensor) -> Tensor | None:
        """Vectors of the new width; the last layer has them only where the width stays."""
        if self.embed_vectors is not None:
            widened: Tensor = self.embed_vectors(vectors)
            return widened
        return vectors if self.same_width else None


class PaiNNConv(EquivariantConv):
    """The layer of PaiNN."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        num_radial: int,
        edge_dim: int,
        last: bool,
        softening: float = 0.0,
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of scalars and of vectors before and after.
            num_radial: size of the radial basis.
            edge_dim: columns of the edge features, or 0.
            last: whether no layer follows that needs its vectors.
            softening: of the lengths of vectors, see `PaiNNUpdate`.
        """
        super().__init__(in_dim, out_dim, last, softening)
        self.message = PaiNNMessage(in_dim, num_radial, edge_dim)


class PaiNNMessage(nn.Module):
    """``s_i += Σ_j φ_s(s_j) W_s(d)``, ``v_i += Σ_j v_j φ_v(s_j) W_v(d) + φ_r(s_j) W_r(d) r_ij``.

    The filters W are linear in the radial basis, so the sums over j are taken of the outer
    products of basis and features, and the filters applied to the sums: no filter is ever made
    per edge. With edge features, whose network multiplies the filters, they have to be.
    """

    def __init__(self, dim: int, num_radial: int, edge_dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.scalars = mlp([dim, dim, 3 * dim], nn.SiLU())
        self.filter = nn.Linear(num_radial, 3 * dim)
        self.edge_filter = mlp([edge_dim, dim, 3 * dim], nn.SiLU()) if edge_dim else None

    def forward(
        self, x: Tensor, vectors: Tensor | None, around: Surroundings
    ) -> tuple[Tensor, Tensor]:
        """New scalars (N, C) and vectors (N, 3, C)."""
        # weights of the basis, and of the cutoff function that multiplies the bias
        weight = torch.cat([self.filter.weight, self.filter.bias.unsqueeze(1)], dim=1)
        sums = self._summed if self.edge_filter is None else self._filtered
        to_scalars, to_vectors = sums(self.scalars(x), vectors, weight, around)
        return x + to_scalars, to_vectors if vectors is None else vectors + to_vectors

    def _summed(
        self, phi: Tensor, vectors: Tensor | None, weight: Tensor, around: Surroundings
    ) -> tuple[Tensor, Tensor]:
        """Sums first, filters second; `phi` is (N, 3·C)."""
        sums, num = around.sums, weight.shape[1]
        of_vectors, of_directions, of_scalars = phi.chunk(3, dim=1)
        by_vectors, by_directions, by_scalars = weight.T.chunk(3, dim=1)  # (B, C)
        directed = sums.of_sources(around.directed, of_directions)
        to_vectors = (directed.view(-1, 3, num, self.dim) * by_directions).sum(2)
        if vectors is None:
            summed = sums.of_sources(around.basis, of_scalars)  # (N, B, C)
            return (summed * by_scalars).sum(1), to_vectors
        carried = (of_vectors.unsqueeze(1) * vectors).flatten(1)
        features = torch.cat([carried, of_scalars], dim=1)
        summed = sums.of_sources(around.basis, features)  # (N, B, 4·C)
        filters = torch.cat([by_vectors, by_vectors, by_vectors, by_scalars], dim=1)
        carried, to_scalars = (summed * filters).sum(1).tensor_split([3 * self.dim], dim=1)
        return to_scalars, to_vectors + carried.view(-1, 3, self.dim)

    def _filtered(
        self, phi: Tensor, vectors: Tensor | None, weight: Tensor, around: Surroundings
    ) -> tuple[Tensor, Tensor]:
        """Filters first, sums second; `phi` is (N, 3·C)."""
        assert self.edge_filter is not None
        sums = around.sums
        filters = (around.basis @ weight.T) * self.edge_filter(sums.edges.features)  # (E, 3·C)
        messages = sums.edges.from_source(phi) * filters
        of_vectors, of_directions, of_scalars = messages.chunk(3, dim=1)
        to_scalars = segment_sum(of_scalars, sums.edges.by_target)
        to_vectors = sums.of_edges(around.directions, of_directions)
        if vectors is not None:
            to_vectors = to_vectors + carried_vectors(vectors, of_vectors, sums.edges)
        return to_scalars, to_vectors


class PaiNNUpdate(nn.Module):
    """Gates from scalars and from lengths of vectors, within each node.

    A length has a cusp where its vector is zero, as it is in a symmetric crystal, so that forces
    would jump there; with a softening s it is ``sqrt(v² + s²) - s``.
    """

    def __init__(self, dim: int, last: bool, softening: float = 0.0) -> None:
        super().__init__()
        self.dim, self.last, self.softening = dim, last, softening
        self.first = nn.Linear(dim, dim, bias=False)
        self.second = nn.Linear(dim, dim, bias=False)
        self.gates = mlp([2 * dim, dim, (2 if last else 3) * dim], nn.SiLU())

    def forward(self, x: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Update scalars (N, C) and vectors (N, 3, C)."""
        first, second = self.first(vectors), self.second(vectors)
        lengths = _soft_norm(second, self.softening) if self.softening else _norm(second)
        gates = self.gates(torch.cat([lengths, x], dim=1))
        *of_vectors, of_product, of_scalars = gates.chunk(2 if self.last else 3, dim=1)
        x = x + of_product * (first * second).sum(1) + of_scalars
        return x, vectors if self.last else vectors + of_vectors[0].unsqueeze(1) * first


def _norm(vectors: Tensor) -> Tensor:
    """Lengths of (N, 3, C) vectors, (N, C); at zero both derivatives are zero."""
    squares = vectors.square().sum(1)
    zero = squares == 0
    return squares.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)


def _soft_norm(vectors: Tensor, softening: float) -> Tensor:
    """Lengths of (N, 3, C) vectors, (N, C), smooth where they are zero."""
    return (vectors.square().sum(1) + softening**2).sqrt() - softening
