"""The PNA layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.models.pna.aggregation import ScaledLinear, aggregates
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear


class PNAConv(nn.Module):
    """Mean, min, max and standard deviation of linear messages, scaled by degree.

    A message is linear in ``[x_i, x_j, e_ij]``, so what comes from the target i is the same in
    all messages to i: it is added after the aggregation, and only the source's part is gathered
    per edge. The edge encoder and the weights that follow it are one small matrix.

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
        self.edge_encoder = nn.Linear(edge_dim, in_dim) if edge_dim else None
        self.pre = EdgeLinear(in_dim, in_dim if edge_dim else 0, in_dim)
        self.post = ScaledLinear(in_dim, out_dim, num_scalers)
        self.lin = nn.Linear(out_dim, out_dim)

    def forward(self, nodes: NodeState, edges: Edges, factors: Tensor) -> NodeState:
        """Convolve.

        Args:
            nodes: (N, in_dim) features.
            edges: the edges, with (E, edge_dim) features if the layer has an encoder.
            factors: (N, scalers) of `DegreeScalers`.
        """
        to_target, to_source, to_edge = self.pre.parts()
        at_target = functional.linear(nodes.x, to_target, self.pre.bias)
        messages = edges.from_source(functional.linear(nodes.x, to_source))  # (E, in_dim)
        encoder = self.edge_encoder
        if encoder is not None and edges.features is not None:
            messages = torch.addmm(messages, edges.features, (to_edge @ encoder.weight).T)
            at_target = at_target + to_edge @ encoder.bias
        gathered = aggregates(messages, edges, at_target)
        return NodeState(self.lin(self.post(nodes.x, gathered, factors)), nodes.equivariant)
