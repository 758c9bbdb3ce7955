"""The DimeNet architecture."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hydria.config.architectures.dimenet import DimeNet
from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.dimenet.basis import SphericalBessel, legendre
from hydria.models.dimenet.conv import DimeNetConv, Surroundings
from hydria.models.dimenet.triplets import Triplets
from hydria.nn.edges import Edges
from hydria.nn.radial import BesselBasis


class DimeNetStack(MessagePassingStack):
    """DimeNet++ over periodic images.

    The angle of a triplet k → j → i is the one at i between j and k, as in HydraGNN and in
    DimeNet's first release; the paper's figure shows the one at j.

    A triplet needs k ≠ i. HydraGNN compares the numbers of the atoms, and so leaves out the other
    periodic images of i as well; here an image is an atom like any other. Outputs agree where no
    j has two images of the same i within the cutoff, and in all molecules.
    """

    fades = True

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        options, cutoff = self.options, required_cutoff(spec)
        exponent = options.envelope_exponent
        self.basis = BesselBasis(cutoff, options.num_radial, exponent)
        self.spherical = SphericalBessel(
            cutoff, options.num_spherical, options.num_radial, exponent
        )
        if options.freeze_conv_layers:
            self.basis.requires_grad_(False)

    @property
    def options(self) -> DimeNet:
        """The options of this architecture."""
        return cast(DimeNet, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A DimeNet++ layer."""
        hidden = self.options.hidden_dim
        if self.options.width_of_input:
            hidden = out_dim if in_dim == 1 else in_dim
        return DimeNetConv(in_dim, hidden, out_dim, self.edge_dim, self.options)

    def make_norm(self, width: int) -> nn.Module:
        """DimeNet has none."""
        return nn.Identity()

    def geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings:
        """Bases of edges and triplets."""
        assert pos is not None
        vectors, triplets = edges.vectors(pos), Triplets(edges)
        lengths = vectors.norm(dim=1)
        cosines, real = triplets.cosines(vectors)
        angular = legendre(self.options.num_spherical, cosines) * real.unsqueeze(1)
        return Surroundings(self.basis(lengths), self.spherical(lengths), angular, triplets)
