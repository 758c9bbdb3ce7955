"""The GIN architecture."""

from __future__ import annotations

import torch
from torch import nn

from hydria.models.base import TopologyStack
from hydria.models.state import Geometry, NodeState
from hydria.nn.edges import Edges
from hydria.nn.messages import neighbor_sum
from hydria.nn.mlp import mlp

# HydraGNN's start value of ε, with which a node outweighs its neighbours at first
FIRST_EPS = 100.0


class GINConv(nn.Module):
    """``MLP((1 + ε) x_i + Σ_j x_j)`` with a trainable ε.

    Source: Xu et al. 2019, arXiv:1810.00826, eq. (4.1); oracle: torch_geometric.nn.GINConv.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        """Make the layer; its MLP has one hidden layer of `out_dim` and ReLU."""
        super().__init__()
        self.eps = nn.Parameter(torch.tensor([FIRST_EPS]))
        self.mlp = mlp([in_dim, out_dim, out_dim], nn.ReLU())

    def forward(self, nodes: NodeState, edges: Edges, geometry: Geometry) -> NodeState:
        """Convolve (N, in_dim) features."""
        neighbors = neighbor_sum(nodes.x, edges)
        return NodeState(self.mlp((1 + self.eps) * nodes.x + neighbors), nodes.equivariant)


class GINStack(TopologyStack):
    """GIN convolutions with batch norm."""

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A GIN layer."""
        return GINConv(in_dim, out_dim)
