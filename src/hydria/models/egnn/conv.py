"""The E(n)-equivariant convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear, mlp
from hydria.nn.segments import segment_mean, segment_sum


class EGNNConv(nn.Module):
    """``m_ij = φ_e(x_i, x_j, d_ij, e_ij)``, ``x_i' = φ_x(x_i, Σ_j m_ij)``, and moved positions.

    With `moves`, ``pos_i' = pos_i + mean_j (pos_j - pos_i) / (d_ij + 1) · tanh φ_p(m_ij)``.

    Source: Satorras et al. 2021, arXiv:2102.09844, eq. (3) to (6), with three choices of
    HydraGNN: distances instead of their squares; ReLU in all networks, whatever the model's
    activation; tanh and the normalised difference in the step, which bound it.
    """

    def __init__(
        self,
        in_dim: int,
        hidden_dim: int,
        out_dim: int,
        edge_dim: int,
        moves: bool,
        activation: nn.Module | None = None,
        smooth_over: float | None = None,
    ) -> None:
        """Make the layer.

        Args:
            in_dim, out_dim: channels of the nodes before and after.
            hidden_dim: width of the networks.
            edge_dim: columns of the edge features, or 0.
            moves: whether the layer moves the positions.
            activation: instead of ReLU.
            smooth_over: neighbours that steps are divided by; None: those that there are.
        """
        super().__init__()
        self.activation = activation or nn.ReLU(inplace=True)
        self.smooth_over = smooth_over
        self.first = EdgeLinear(in_dim, 1 + edge_dim, hidden_dim)
        self.second = nn.Linear(hidden_dim, hidden_dim)
        self.node_mlp = mlp([in_dim + hidden_dim, hidden_dim, out_dim], activation or nn.ReLU())
        self.coord_mlp = self._coord_mlp(hidden_dim, activation) if moves else None

    @staticmethod
    def _coord_mlp(hidden_dim: int, activation: nn.Module | None) -> nn.Sequential:
        last = nn.Linear(hidden_dim, 1, bias=False)
        nn.init.xavier_uniform_(last.weight, gain=0.001)  # steps start small
        first = nn.Linear(hidden_dim, hidden_dim)
        return nn.Sequential(first, activation or nn.ReLU(), last, nn.Tanh())

    def forward(self, nodes: NodeState, edges: Edges, lengths: Tensor | None) -> NodeState:
        """Convolve.

        Args:
            nodes: (N, in_dim) features; (N, 3) positions where positions move, else None.
            edges: the edges, with (E, edge_dim) features if the layer takes them.
            lengths: (E, 1) distances where positions do not move, Å.
        """
        x, pos = nodes.x, nodes.equivariant
        vectors = None if pos is None else edges.vectors(pos)
        if vectors is not None:
            lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        assert lengths is not None
        messages = self._messages(x, edges, lengths)
        if pos is not None and vectors is not None and self.coord_mlp is not None:
            steps = edges.faded(vectors / (lengths + 1.0) * self.coord_mlp(messages))
            if self.smooth_over is None:
                pos = pos - segment_mean(steps, edges.by_target)
            else:
                pos = pos - segment_sum(steps, edges.by_target) / self.smooth_over
        total = segment_sum(messages, edges.by_target)
        return NodeState(self.node_mlp(torch.cat([x, total], dim=1)), pos)

    def _messages(self, x: Tensor, edges: Edges, lengths: Tensor) -> Tensor:
        """(E, hidden_dim) messages; ReLU works in place."""
        joined = lengths
        if edges.features is not None and self.first.in_features > 2 * self.first.node_dim + 1:
            joined = torch.cat([lengths, edges.features], dim=1)
        hidden = self.activation(self.first(x, edges, joined))
        return edges.faded(self.activation(self.second(hidden)))
