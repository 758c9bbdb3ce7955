"""The DimeNet++ layer: embedding, interaction and output blocks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.config.architectures.dimenet import DimeNet
from hydria.models.dimenet.triplets import Triplets
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear
from hydria.nn.segments import segment_sum

silu = functional.silu


class Surroundings(NamedTuple):
    """What the layers want to know of edges and triplets."""

    basis: Tensor
    """(E, num_radial) Bessel basis."""
    radial: Tensor
    """(E, num_spherical, num_radial) radial part of the spherical basis."""
    angular: Tensor
    """(T, num_spherical) angular part, zero where k is i."""
    triplets: Triplets


class DimeNetConv(nn.Module):
    """Messages of edges, one interaction over triplets, and their sums at the nodes.

    HydraGNN embeds the edges anew in each layer, where DimeNet++ keeps them through all layers.

    Source: Gasteiger et al. 2020, arXiv:2003.03123 and arXiv:2011.14115.
    """

    def __init__(
        self, in_dim: int, hidden_dim: int, out_dim: int, edge_dim: int, options: DimeNet
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of the nodes before and after.
            hidden_dim: channels of the messages.
            edge_dim: columns of the edge features, or 0.
            options: sizes of bases and blocks.
        """
        super().__init__()
        self.lin = nn.Linear(in_dim, hidden_dim)
        self.embedding = Embedding(hidden_dim, edge_dim, options.num_radial)
        self.interaction = Interaction(hidden_dim, options)
        self.output = Output(hidden_dim, out_dim, options)

    def forward(self, nodes: NodeState, edges: Edges, around: Surroundings) -> NodeState:
        """Convolve (N, in_dim) features."""
        messages = self.embedding(self.lin(nodes.x), edges, around.basis)
        messages = self.interaction(messages, around)
        return NodeState(self.output(messages, edges, around.basis), nodes.equivariant)


class Embedding(nn.Module):
    """``m_ji = σ(W [x_i, x_j, σ(V b_ji), σ(U e_ji)])``."""

    def __init__(self, dim: int, edge_dim: int, num_radial: int) -> None:
        super().__init__()
        self.basis = nn.Linear(num_radial, dim)
        self.edge = nn.Linear(edge_dim, dim) if edge_dim else None
        self.lin = EdgeLinear(dim, (2 if edge_dim else 1) * dim, dim)

    def forward(self, x: Tensor, edges: Edges, basis: Tensor) -> Tensor:
        """(N, C) features, (E, num_radial) basis → (E, C)."""
        features = silu(self.basis(basis))
        if self.edge is not None:
            features = torch.cat([features, silu(self.edge(edges.features))], dim=1)
        return silu(self.lin(x, edges, features))


class Interaction(nn.Module):
    """Each edge j → i hears of the edges k → j, weighted by distance and angle."""

    def __init__(self, dim: int, options: DimeNet) -> None:
        super().__init__()
        inner, size = options.int_emb_size, options.basis_emb_size
        self.shape = (size, options.num_spherical, options.num_radial)
        self.basis_in = nn.Linear(options.num_radial, size, bias=False)
        self.basis_out = nn.Linear(size, dim, bias=False)
        self.spherical_in = nn.Linear(options.num_spherical * options.num_radial, size, bias=False)
        self.spherical_out = nn.Linear(size, inner, bias=False)
        self.source = nn.Linear(dim, dim)
        self.own = nn.Linear(dim, dim)
        self.down = nn.Linear(dim, inner, bias=False)
        self.up = nn.Linear(inner, dim, bias=False)
        self.before = nn.Sequential(*[Residual(dim) for _ in range(options.num_before_skip)])
        self.skip = nn.Linear(dim, dim)
        self.after = nn.Sequential(*[Residual(dim) for _ in range(options.num_after_skip)])

    def forward(self, messages: Tensor, around: Surroundings) -> Tensor:
        """(E, C) → (E, C)."""
        # two linear layers in a row are one small matrix
        gates = functional.linear(around.basis, self.basis_out.weight @ self.basis_in.weight)
        heard = silu(self.down(silu(self.source(messages)) * gates))  # (E, inner)
        weight = self.spherical_in.weight.view(self.shape).permute(1, 2, 0)
        # (num_spherical, num_radial, inner)
        weight = weight @ self.spherical_out.weight.T
        summed = around.triplets.filtered(around.angular, around.radial, weight, heard)
        hidden = self.before(silu(self.own(messages)) + silu(self.up(summed)))
        hidden = silu(self.skip(hidden)) + messages
        output: Tensor = self.after(hidden)
        return output


class Residual(nn.Module):
    """``x + σ(W₂ σ(W₁ x))``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, dim)
        self.lin2 = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(E, C) → (E, C)."""
        return x + silu(self.lin2(silu(self.lin1(x))))


class Output(nn.Module):
    """Sums of the messages at their targets, then dense layers."""

    def __init__(self, dim: int, out_dim: int, options: DimeNet) -> None:
        super().__init__()
        self.basis = nn.Linear(options.num_radial, dim, bias=False)
        self.up = nn.Linear(dim, options.out_emb_size, bias=False)
        self.hidden = nn.Linear(options.out_emb_size, options.out_emb_size)
        self.last = nn.Linear(options.out_emb_size, out_dim, bias=False)

    def forward(self, messages: Tensor, edges: Edges, basis: Tensor) -> Tensor:
        """(E, C) → (N, out_dim)."""
        total = segment_sum(self.basis(basis) * messages, edges.by_target)
        output: Tensor = self.last(silu(self.hidden(self.up(total))))
        return output
