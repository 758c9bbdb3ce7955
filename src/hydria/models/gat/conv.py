"""The attention layer of GAT, version 2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.models.gat.attention import edge_logits, weighted_sum
from hydria.models.state import Geometry, NodeState
from hydria.nn.edges import Edges
from hydria.nn.segments import segment_mean, segment_min_max, segment_sum


class GATConv(nn.Module):
    """Attention of each node over its neighbours and itself, in several heads.

    ``α_ij = softmax_j(aᵀ LeakyReLU(W_r x_i + W_l x_j + W_e e_ij))``; the output is ``Σ_j α_ij
    W_l x_j`` of all heads, side by side or averaged. The node's own part has the mean of its
    edges' features. Periodic images of the node itself are neighbours like others.

    Source: Brody et al. 2022, arXiv:2105.14491; oracle: torch_geometric.nn.GATv2Conv.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        edge_dim: int,
        num_heads: int,
        *,
        negative_slope: float,
        dropout: float,
        concat: bool,
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels before and after; with `concat`, `num_heads` divides the
                latter.
            edge_dim: columns of the edge features, or 0.
            num_heads: attention heads.
            negative_slope: of the leaky ReLU.
            dropout: part of the attention that is dropped in training.
            concat: whether heads stand side by side; else they are averaged.
        """
        super().__init__()
        width = out_dim // num_heads if concat else out_dim
        self.shape = (num_heads, width)
        self.negative_slope, self.concat = negative_slope, concat
        self.source = nn.Linear(in_dim, num_heads * width)
        self.target = nn.Linear(in_dim, num_heads * width)
        self.edge = nn.Linear(edge_dim, num_heads * width, bias=False) if edge_dim else None
        self.attention = nn.Parameter(torch.empty(1, *self.shape))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.dropout = nn.Dropout(dropout)
        for weight in (self.source.weight, self.target.weight, self.attention):
            nn.init.xavier_uniform_(weight)

    def forward(self, nodes: NodeState, edges: Edges, geometry: Geometry) -> NodeState:
        """Convolve (N, in_dim) features."""
        at_source, at_target = self.source(nodes.x), self.target(nodes.x)  # (N, heads·width)
        own = at_source + at_target
        from_edge = None
        if self.edge is not None and edges.features is not None:
            from_edge = (edges.features, self.edge.weight)
            own = own + self.edge(_mean(edges.features, edges))
        logits = edge_logits(
            at_source, at_target, self.attention[0], from_edge, edges, self.negative_slope
        )
        alpha, own_alpha = self._attention(logits, self._own_logits(own), edges)
        values = at_source.view(-1, *self.shape)
        summed = weighted_sum(alpha, values, edges) + values * own_alpha.unsqueeze(2)
        out = summed.flatten(1) if self.concat else summed.mean(1)
        return NodeState(out + self.bias, nodes.equivariant)

    def _own_logits(self, joined: Tensor) -> Tensor:
        """(N, heads·width) → (N, heads)."""
        active = functional.leaky_relu(joined, self.negative_slope)
        return (active.view(-1, *self.shape) * self.attention).sum(2)

    def _attention(self, logits: Tensor, own: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Softmax over the edges of a node and the node itself: (E, heads), (N, heads)."""
        with torch.no_grad():  # a shift that cancels
            peak = segment_min_max(logits, edges.by_target)[1].maximum(own)
        weights = edges.faded((logits - edges.by_target.spread(peak)).exp())
        own_weights = (own - peak).exp()
        total = segment_sum(weights, edges.by_target) + own_weights
        alpha = self.dropout(weights / edges.by_target.spread(total))
        return alpha, self.dropout(own_weights / total)


def _mean(features: Tensor, edges: Edges) -> Tensor:
    """(N, D) mean of (E, D) features; where edges fade out, so does their part."""
    if edges.fading is None:
        return segment_mean(features, edges.by_target)
    total = 1.0 + segment_sum(edges.fading, edges.by_target)
    return segment_sum(edges.faded(features), edges.by_target) / total
