"""The PNAEq architecture."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from hydria.config.architectures.pna_eq import PNAEq
from hydria.config.spec import ModelSpec
from hydria.models.painn.vectors import VectorStack
from hydria.models.pna.scalers import SCALERS, DegreeScalers
from hydria.models.pna_eq.conv import PNAEqConv, Surroundings
from hydria.nn.cutoffs import cosine_cutoff
from hydria.nn.edges import Edges
from hydria.nn.outer import OuterSums
from hydria.nn.radial import sinc_basis


class PNAEqStack(VectorStack):
    """PNA over scalars and vectors."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.degrees = DegreeScalers(spec.pna_deg, tuple(SCALERS))

    @property
    def options(self) -> PNAEq:
        """The options of this architecture."""
        return cast(PNAEq, self.spec.architecture)

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A PNAEq layer."""
        return PNAEqConv(
            in_dim,
            out_dim,
            num_radial=self.options.num_radial,
            edge_dim=self.edge_dim,
            num_scalers=len(SCALERS),
            last=last,
            softening=self.softening,
        )

    def geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings:
        """Radial basis and directions of the edges, degree factors of the nodes."""
        assert pos is not None
        vectors = edges.vectors(pos)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        cut = cosine_cutoff(lengths, self.cutoff).unsqueeze(1)
        basis = sinc_basis(lengths, self.options.num_radial, self.cutoff) * cut
        directions = vectors / -lengths.unsqueeze(1)
        return Surroundings(edges, OuterSums(edges), basis, directions, self.degrees(edges))
