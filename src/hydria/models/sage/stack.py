"""The GraphSAGE architecture."""

from __future__ import annotations

from torch import nn

from hydria.models.base import TopologyStack
from hydria.models.state import Geometry, NodeState
from hydria.nn.edges import Edges
from hydria.nn.messages import neighbor_mean


class SAGEConv(nn.Module):
    """``W₁ mean_j x_j + W₂ x_i + b``.

    Source: Hamilton et al. 2017, arXiv:1706.02216; oracle: torch_geometric.nn.SAGEConv.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        """Make the layer."""
        super().__init__()
        self.neighbors = nn.Linear(in_dim, out_dim)
        self.own = nn.Linear(in_dim, out_dim, bias=False)

    def forward(self, nodes: NodeState, edges: Edges, geometry: Geometry) -> NodeState:
        """Convolve (N, in_dim) features."""
        mean = neighbor_mean(nodes.x, edges)
        return NodeState(self.neighbors(mean) + self.own(nodes.x), nodes.equivariant)


class SAGEStack(TopologyStack):
    """GraphSAGE convolutions with batch norm."""

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A GraphSAGE layer."""
        return SAGEConv(in_dim, out_dim)
