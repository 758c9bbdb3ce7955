"""The PaiNN architecture."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hydria.config.architectures.painn import PAINN
from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.painn.conv import PaiNNConv
from hydria.models.painn.geometry import Surroundings, surroundings
from hydria.models.state import NodeState
from hydria.nn.edges import Edges


class PAINNStack(MessagePassingStack):
    """PaiNN: scalars and vectors, which start at zero, over periodic images.

    Vectors are updated whatever `equivariance` says: without them PaiNN sees no angles.
    """

    unavailable = frozenset()

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.cutoff = required_cutoff(spec)

    @property
    def options(self) -> PAINN:
        """The options of this architecture."""
        return cast(PAINN, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A PaiNN layer."""
        return PaiNNConv(in_dim, out_dim, self.options.num_radial, self.edge_dim, last)

    def make_norm(self, width: int) -> nn.Module:
        """PaiNN has none."""
        return nn.Identity()

    def vector_channels(self, width: int) -> int:
        """As many as scalars."""
        return width

    def vectors(self, nodes: NodeState, pos: Tensor | None) -> Tensor:
        """(N, 3, C) vector features."""
        assert nodes.equivariant is not None
        return nodes.equivariant

    def geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings:
        """Radial bases and directions of the edges."""
        assert pos is not None
        return surroundings(edges, pos, self.options.num_radial, self.cutoff)
