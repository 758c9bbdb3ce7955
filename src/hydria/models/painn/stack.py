"""The PaiNN architecture."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hydria.config.architectures.painn import PAINN
from hydria.models.painn.conv import PaiNNConv
from hydria.models.painn.geometry import Surroundings, surroundings
from hydria.models.painn.vectors import VectorStack
from hydria.nn.edges import Edges


class PAINNStack(VectorStack):
    """PaiNN."""

    fades = True

    @property
    def options(self) -> PAINN:
        """The options of this architecture."""
        return cast(PAINN, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A PaiNN layer."""
        return PaiNNConv(
            in_dim, out_dim, self.options.num_radial, self.edge_dim, last, self.softening
        )

    def geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings:
        """Radial bases and directions of the edges."""
        assert pos is not None
        return surroundings(edges, pos, self.options.num_radial, self.cutoff)
