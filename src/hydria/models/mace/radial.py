"""Radial bases of MACE, their cutoff, and transforms of distances by element."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from hydria.config.architectures.mace import MACE
from hydria.nn.cutoffs import polynomial_cutoff
from hydria.nn.edges import Edges
from hydria.nn.radial import GaussianBasis

# distance, sum of the covalent radii of both atoms → transformed distance
Transform = Callable[[Tensor, Tensor], Tensor]


def agnesi(lengths: Tensor, radii: Tensor) -> Tensor:
    """From 1 at contact to 0 far away, by the mean covalent radius.

    Source: Witt et al. 2023, J. Chem. Phys. 159, 164101, with MACE's constants.
    """
    q, p, a = 0.9183, 4.5791, 1.0805
    scaled = lengths / (0.5 * radii)
    return 1.0 / (1.0 + a * scaled**q / (1.0 + scaled ** (q - p)))


def soft(lengths: Tensor, radii: Tensor) -> Tensor:
    """Distances that stay near ½ Å in the core, where atoms are not found.

    Source: Batatia et al. 2023, arXiv:2401.00096, with MACE's constants.
    """
    scaled = lengths / (0.25 * radii)
    return lengths + 0.5 * torch.tanh(-scaled - 0.2 * scaled**3) + 0.5


TRANSFORMS: dict[str, Transform] = {"Agnesi": agnesi, "Soft": soft}


class RadialEmbedding(nn.Module):
    """A basis of (transformed) distances times a polynomial cutoff of the distances.

    Chebyshev polynomials want arguments within [-1, 1]: Agnesi's transform gives them, other
    distances are mapped linearly (HydraGNN takes them in Å, where the polynomials explode).

    Source: Batatia et al. 2022, arXiv:2206.07697, appendix.
    """

    radii: Tensor

    def __init__(self, options: MACE, cutoff: float) -> None:
        super().__init__()
        self.options, self.cutoff = options, cutoff
        self.transform = TRANSFORMS.get(options.distance_transform or "")
        if self.transform is not None:
            radii = torch.tensor(covalent_radii[1:119], dtype=torch.float64)
            self.register_buffer("radii", radii, persistent=False)
        if options.radial_type == "gaussian":
            self.gaussians = GaussianBasis(cutoff, options.num_radial)

    def forward(self, lengths: Tensor, edges: Edges, elements: Tensor) -> Tensor:
        """(E,) distances and the (N,) elements, counted from 0 → (E, num_radial)."""
        # p of eq. (8) of Gasteiger et al. is the exponent itself here
        fade = polynomial_cutoff(lengths / self.cutoff, self.options.envelope_exponent - 1)
        if self.transform is not None:
            radii = self.radii[elements]
            both = edges.from_source(radii) + edges.by_target.spread(radii)
            lengths = self.transform(lengths, both)
        basis: Tensor = getattr(self, f"_{self.options.radial_type}")(lengths)
        return basis * fade.unsqueeze(1)

    def _bessel(self, lengths: Tensor) -> Tensor:
        distances = lengths.unsqueeze(1)
        waves = torch.sin(distances * (self._orders(lengths) * (math.pi / self.cutoff)))
        return math.sqrt(2.0 / self.cutoff) * (waves / distances)

    def _gaussian(self, lengths: Tensor) -> Tensor:
        basis: Tensor = self.gaussians(lengths)
        return basis

    def _chebyshev(self, lengths: Tensor) -> Tensor:
        """T_1 … T_n by their recurrence."""
        bounded = self.options.distance_transform == "Agnesi"
        x = lengths if bounded else 2.0 * lengths / self.cutoff - 1.0
        values = [torch.ones_like(x), x]
        for _ in range(1, self.options.num_radial):
            values.append(2.0 * x * values[-1] - values[-2])
        return torch.stack(values[1 : self.options.num_radial + 1], dim=1)

    def _orders(self, lengths: Tensor) -> Tensor:
        count = self.options.num_radial
        return torch.arange(1, count + 1, device=lengths.device, dtype=lengths.dtype)
