"""The SchNet architecture."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hydria.config.architectures.schnet import SchNet
from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.schnet.conv import CFConv, Distances
from hydria.nn.cutoffs import cosine_cutoff
from hydria.nn.edges import Edges
from hydria.nn.radial import GaussianBasis


class SchNetStack(MessagePassingStack):
    """Continuous-filter convolutions over the edges of the batch, periodic images included.

    (HydraGNN builds an open-boundary neighbour list of its own in each layer; its outputs agree
    with these for molecules and clusters, and depend on the choice of the cell for crystals.)
    """

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
        gaussians, filters = self.options.num_gaussians, self.options.num_filters
        return CFConv(in_dim, out_dim, gaussians, filters, self.spec.edge_dim)

    def make_norm(self, width: int) -> nn.Module:
        """SchNet has none."""
        return nn.Identity()

    def geometry(self, edges: Edges, pos: Tensor | None) -> Distances:
        """Distances expanded into Gaussians, and the cutoff function."""
        assert pos is not None
        lengths = edges.lengths(pos)
        return Distances(self.basis(lengths), cosine_cutoff(lengths, self.cutoff).unsqueeze(1))
