"""The SchNet architecture."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hydria.config.architectures.schnet import SchNet
from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.schnet.conv import CFConv, Distances, Expand
from hydria.models.state import NodeState
from hydria.nn.cutoffs import cosine_cutoff
from hydria.nn.edges import Edges
from hydria.nn.messages import equal_pairs
from hydria.nn.radial import GaussianBasis


class SchNetStack(MessagePassingStack):
    """Continuous-filter convolutions over the edges of the batch, periodic images included.

    (HydraGNN builds an open-boundary neighbour list of its own in each layer; its outputs agree
    with these for molecules and clusters, and depend on the choice of the cell for crystals.)
    With `equivariance` all but the last layer move positions, which later layers see; images move
    as their atoms do.
    """

    unavailable = frozenset()
    fades = True

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.cutoff = required_cutoff(spec)
        self.basis = GaussianBasis(self.cutoff, self.options.num_gaussians)

    @property
    def options(self) -> SchNet:
        """The options of this architecture."""
        return cast(SchNet, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A continuous-filter convolution."""
        return CFConv(
            in_dim,
            out_dim,
            num_gaussians=self.options.num_gaussians,
            num_filters=self.options.num_filters,
            edge_dim=self.edge_dim,
            moves=self.options.equivariance and not last,
            activation=self.activation if self.spec.smooth else None,
            smooth_over=self.spec.avg_num_neighbors if self.spec.smooth else None,
        )

    def make_norm(self, width: int) -> nn.Module:
        """SchNet has none."""
        return nn.Identity()

    def embed(self, x: Tensor, pos: Tensor | None) -> NodeState:
        """Input features, and positions if they move."""
        return NodeState(x, pos if self.options.equivariance else None)

    def vector_channels(self, width: int) -> int:
        """One: how far the node moved."""
        return int(self.options.equivariance)

    def vectors(self, nodes: NodeState, pos: Tensor | None) -> Tensor:
        """(N, 3, 1) steps of the positions, Å."""
        assert nodes.equivariant is not None
        assert pos is not None
        return (nodes.equivariant - pos).unsqueeze(2)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Distances | Expand:
        """Distances expanded into Gaussians, and the cutoff function, if positions stay."""
        if self.options.equivariance:
            return self.expand
        assert pos is not None
        lengths = edges.lengths(pos)
        # the features of an edge and of its reverse may differ
        pairs = None if self.edge_dim else equal_pairs(edges, lengths)
        if pairs is None:
            return self.expand(lengths)
        return self.expand(lengths.index_select(0, pairs.rows[::2]))._replace(pairs=pairs)

    def expand(self, lengths: Tensor) -> Distances:
        """What the filters see of (E,) lengths, Å."""
        return Distances(self.basis(lengths), cosine_cutoff(lengths, self.cutoff).unsqueeze(1))
