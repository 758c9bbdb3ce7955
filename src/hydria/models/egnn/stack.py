"""The EGNN architecture."""

from __future__ import annotations

from torch import Tensor, nn

from hydria.models.base import MessagePassingStack
from hydria.models.egnn.conv import EGNNConv
from hydria.models.state import NodeState
from hydria.nn.edges import Edges


class EGNNStack(MessagePassingStack):
    """E(n)-equivariant convolutions; with `equivariance` all but the last layer move positions.

    Moved positions are used inside the model only. Periodic images keep their offsets: an image
    moves as its atom does. Smooth potentials have the model's activation instead of ReLU.
    """

    unavailable = frozenset()

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """An equivariant convolution."""
        architecture = self.spec.architecture
        moves = architecture.equivariance and not last
        smooth = self.spec.smooth
        return EGNNConv(
            in_dim,
            architecture.hidden_dim,
            out_dim,
            self.edge_dim,
            moves,
            activation=self.activation if smooth else None,
            smooth_over=self.spec.avg_num_neighbors if smooth else None,
        )

    def make_norm(self, width: int) -> nn.Module:
        """EGNN has none."""
        return nn.Identity()

    def vector_channels(self, width: int) -> int:
        """One: how far the node moved."""
        return int(self.spec.architecture.equivariance)

    def vectors(self, nodes: NodeState, pos: Tensor | None) -> Tensor:
        """(N, 3, 1) steps of the positions, Å."""
        assert nodes.equivariant is not None
        assert pos is not None
        return (nodes.equivariant - pos).unsqueeze(2)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Tensor | None:
        """(E, 1) lengths, if they are the same for all layers."""
        if self.spec.architecture.equivariance:
            return None
        assert pos is not None
        return edges.lengths(pos).unsqueeze(1)

    def embed(self, x: Tensor, pos: Tensor | None) -> NodeState:
        """Input features, and positions if they move."""
        return NodeState(x, pos if self.spec.architecture.equivariance else None)
