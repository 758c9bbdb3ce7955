"""The MFC architecture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.base import TopologyStack
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.messages import neighbor_sum
from hydria.nn.mlp import StackedLinear


class MFConv(nn.Module):
    """``W₁ᵈ Σ_j x_j + W₂ᵈ x_i + bᵈ`` with weights of their own for each degree d.

    Source: Duvenaud et al. 2015, arXiv:1509.09292; oracle: torch_geometric.nn.MFConv.
    """

    def __init__(self, in_dim: int, out_dim: int, max_degree: int) -> None:
        """Make the layer; nodes of more than `max_degree` neighbours count as of that many."""
        super().__init__()
        self.neighbors = StackedLinear(max_degree + 1, in_dim, out_dim)
        self.own = StackedLinear(max_degree + 1, in_dim, out_dim, bias=False)

    def forward(self, nodes: NodeState, edges: Edges, degree: Tensor) -> NodeState:
        """Convolve.

        Args:
            nodes: (N, in_dim) features.
            edges: the edges.
            degree: (N,) neighbours of each node, at most `max_degree`.
        """
        summed = neighbor_sum(nodes.x, edges)
        order = degree.argsort(stable=True)
        counts = torch.bincount(degree, minlength=self.own.num_layers).tolist()
        x = self.neighbors.by_group(summed[order], counts)
        x = x + self.own.by_group(nodes.x[order], counts)
        return NodeState(torch.empty_like(x).index_copy(0, order, x), nodes.equivariant)


class MFCStack(TopologyStack):
    """Molecular fingerprint convolutions with batch norm."""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.architecture.max_neighbours is None:
            raise ModelError(
                "NeuralNetwork.Architecture.max_neighbours: expected an integer >= 1, because MFC "
                "has weights for each number of neighbours, got none"
            )
        self.max_degree = spec.architecture.max_neighbours
        super().__init__(spec)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A molecular fingerprint layer."""
        return MFConv(in_dim, out_dim, self.max_degree)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Tensor:
        """(N,) degrees."""
        return edges.by_target.counts.clamp_max(self.max_degree)
