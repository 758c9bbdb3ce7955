"""Screened repulsion of nuclei at short distances."""

from __future__ import annotations

import torch
from ase.data import covalent_radii
from ase.units import Bohr, Hartree
from torch import Tensor, nn

from hydria.nn.cutoffs import polynomial_cutoff
from hydria.nn.edges import Edges
from hydria.nn.segments import Segments, segment_sum

# e²/4πε₀, eV·Å
COULOMB = Hartree * Bohr
WEIGHTS = (0.1818, 0.5099, 0.2802, 0.02817)
DECAYS = (3.2, 0.9423, 0.4029, 0.2016)
SCREENING, POWER = 0.8854 * Bohr, 0.23
# exponent of the polynomial that ends the repulsion
FADING = 5


class ZBL(nn.Module):
    """``½ Σ_ij Z_i Z_j e² / (4πε₀ d) φ(d/a)``, faded out where covalent radii meet.

    Source: Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Solids, 1985.
    """

    radii: Tensor

    def __init__(self, cutoff: float) -> None:
        """Take the radii; `cutoff` of the edges, Å, which the repulsion does not exceed."""
        super().__init__()
        self.cutoff = cutoff
        self.register_buffer(
            "radii", torch.tensor(covalent_radii, dtype=torch.float64), persistent=False
        )

    def forward(self, edges: Edges, pos: Tensor, numbers: Tensor, graphs: Segments) -> Tensor:
        """(G,) energies, eV, of structures with (N,) atomic numbers."""
        lengths = edges.lengths(pos)
        numbers = numbers.view(-1).long()
        first, second = numbers[edges.source], numbers[edges.target]
        ends = (self.radii[first] + self.radii[second]).to(lengths).clamp_max(self.cutoff)
        first, second = first.to(lengths), second.to(lengths)
        scaled = lengths * (first**POWER + second**POWER) / SCREENING
        screening = sum(
            weight * torch.exp(-decay * scaled)
            for weight, decay in zip(WEIGHTS, DECAYS, strict=True)
        )
        pairs = COULOMB * first * second / lengths * screening
        energy = 0.5 * pairs * polynomial_cutoff(lengths / ends, FADING)
        of_nodes = segment_sum(energy.unsqueeze(1), edges.by_target)
        return segment_sum(of_nodes, graphs).squeeze(1)
