"""What PaiNN's messages know of the edges."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hydria.nn.cutoffs import cosine_cutoff
from hydria.nn.edges import Edges
from hydria.nn.outer import OuterSums
from hydria.nn.radial import sinc_basis


class Surroundings(NamedTuple):
    """The edges, ready for sums over them."""

    sums: OuterSums
    basis: Tensor
    """(E, B) radial basis times the cutoff function, and the cutoff function itself."""
    directions: Tensor
    """(E, 3) vectors towards the neighbour."""
    directed: Tensor
    """(E, 3·B) their products."""


def surroundings(edges: Edges, pos: Tensor, num_radial: int, cutoff: float) -> Surroundings:
    """Expand distances and directions of a batch.

    The directions have the length 1/d, as HydraGNN's have, which divides by the distance twice;
    the paper's have unit length. Both turn with the structure, and a filter of the distance
    multiplies them.
    """
    vectors = edges.vectors(pos)
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    cut = cosine_cutoff(lengths, cutoff).unsqueeze(1)
    basis = torch.cat([sinc_basis(lengths, num_radial, cutoff) * cut, cut], dim=1)
    directions = vectors / -lengths.square().unsqueeze(1)
    directed = (directions.unsqueeze(2) * basis.unsqueeze(1)).flatten(1)
    return Surroundings(OuterSums(edges), basis, directions, directed)
