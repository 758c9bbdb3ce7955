"""The PNA layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear
from hydria.nn.segments import segment_mean_std, segment_min_max

NUM_AGGREGATES = 4


class PNAConv(nn.Module):
    """Mean, min, max and standard deviation of linear messages, scaled by degree.

    A message is linear in ``[x_i, x_j, e_ij]``, so what comes from the target i is the same in
    all messages to i: it is added after the aggregation (it moves mean, min and max, and leaves
    the standard deviation), and only the source's part is gathered per edge. The edge encoder and
    the weights that follow it are one small matrix.

    Source: Corso et al. 2020, arXiv:2004.05718; oracle: torch_geometric.nn.PNAConv.
    """

    def __init__(self, in_dim: int, out_dim: int, edge_dim: int, num_scalers: int) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of the nodes before and after.
            edge_dim: columns of the edge features, or 0.
            num_scalers: degree scalers.
        """
        super().__init__()
        self.in_dim = in_dim
        self.edge_encoder = nn.Linear(edge_dim, in_dim) if edge_dim else None
        self.pre = EdgeLinear(in_dim, in_dim if edge_dim else 0, in_dim)
        self.post = nn.Linear((NUM_AGGREGATES * num_scalers + 1) * in_dim, out_dim)
        self.lin = nn.Linear(out_dim, out_dim)

    def forward(self, nodes: NodeState, edges: Edges, factors: Tensor) -> NodeState:
        """Convolve.

        Args:
            nodes: (N, in_dim) features.
            edges: the edges, with (E, edge_dim) features if the layer has an encoder.
            factors: (N, scalers) of `DegreeScalers`.
        """
        aggregates = self._aggregate(nodes.x, edges)
        scaled = self._scaled(aggregates, factors)
        own = functional.linear(nodes.x, self.post.weight[:, : self.in_dim], self.post.bias)
        return NodeState(self.lin(own + scaled), nodes.equivariant)

    def _aggregate(self, x: Tensor, edges: Edges) -> Tensor:
        """(N, 4·in_dim): mean, min, max, standard deviation."""
        to_target, to_source, to_edge = self.pre.parts()
        at_target = functional.linear(x, to_target, self.pre.bias)
        messages = edges.from_source(functional.linear(x, to_source))  # (E, in_dim)
        encoder = self.edge_encoder
        if encoder is not None and edges.features is not None:
            messages = torch.addmm(messages, edges.features, (to_edge @ encoder.weight).T)
            at_target = at_target + to_edge @ encoder.bias
        mean, std = segment_mean_std(messages, edges.by_target)
        smallest, largest = segment_min_max(messages, edges.by_target)
        # nodes without neighbours get no message at all
        offset = at_target * (edges.by_target.counts > 0).to(x.dtype).unsqueeze(1)
        return torch.cat([mean + offset, smallest + offset, largest + offset, std], dim=1)

    def _scaled(self, aggregates: Tensor, factors: Tensor) -> Tensor:
        """(N, out_dim): Σ over scalers of factor × aggregates × its weights."""
        weight = self.post.weight[:, self.in_dim :]
        out_dim, num_scalers = weight.shape[0], factors.shape[1]
        by_scaler = weight.view(out_dim, num_scalers, -1).transpose(0, 1)
        products = functional.linear(aggregates, by_scaler.reshape(num_scalers * out_dim, -1))
        return (products.view(-1, num_scalers, out_dim) * factors.unsqueeze(2)).sum(1)
