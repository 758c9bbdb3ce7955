"""The CGCNN architecture."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.config.architectures.cgcnn import CGCNN
from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear
from hydria.nn.radial import GaussianBasis
from hydria.nn.segments import segment_sum


class CGConv(nn.Module):
    """``x_i + Σ_j sigmoid(W_f z_ij + b_f) ⊙ softplus(W_s z_ij + b_s)``, z = [x_i, x_j, e_ij].

    The sum needs equal widths before and after; where they differ, a linear map comes first.

    Source: Xie and Grossman 2018, arXiv:1710.10324, eq. (5); oracle: torch_geometric.nn.CGConv.
    """

    def __init__(self, in_dim: int, out_dim: int, edge_dim: int) -> None:
        """Make the layer; `edge_dim` is the columns of the edge features, or 0."""
        super().__init__()
        self.embed = nn.Linear(in_dim, out_dim) if in_dim != out_dim else None
        self.gate = EdgeLinear(out_dim, edge_dim, out_dim)
        self.core = EdgeLinear(out_dim, edge_dim, out_dim)

    def forward(self, nodes: NodeState, edges: Edges, features: Tensor | None) -> NodeState:
        """Convolve (N, in_dim) features over edges with (E, edge_dim) features."""
        x = nodes.x if self.embed is None else self.embed(nodes.x)
        gates = self.gate(x, edges, features).sigmoid()
        messages = gates * functional.softplus(self.core(x, edges, features))
        summed = segment_sum(edges.faded(messages), edges.by_target)
        return NodeState(x + summed, nodes.equivariant)


class CGCNNStack(MessagePassingStack):
    """Crystal graph convolutions with batch norm.

    With `num_gaussians` the edges carry their lengths in a Gaussian basis, beside their features.
    (HydraGNN sets the width to `input_dim` whatever `hidden_dim` says.)
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        number = self.options.num_gaussians
        self.basis = GaussianBasis(required_cutoff(spec), number) if number else None

    @property
    def options(self) -> CGCNN:
        """The options of this architecture."""
        return cast(CGCNN, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A crystal graph layer."""
        edge_dim = self.edge_dim + (self.options.num_gaussians or 0)
        return CGConv(in_dim, out_dim, edge_dim)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Tensor | None:
        """(E, edge_dim) edge features and Gaussians, or None."""
        features = edges.features if self.edge_dim else None
        if self.basis is None:
            return features
        assert pos is not None
        gaussians: Tensor = self.basis(edges.lengths(pos))
        return gaussians if features is None else torch.cat([features, gaussians], dim=1)
