"""Embedded-atom potentials of Ni, Nb, Fe and Pt and their alloys, in analytic form.

The energy of atom i is F_i(rho_i) + sum_j phi_ij(r_ij) / 2 with rho_i = sum_j f_j(r_ij) and

    f(r)   = fe exp(-beta (r/re - 1)) / (1 + (r/re - lambda)^20)
    phi(r) = A exp(-alpha (r/re - 1)) / (1 + (r/re - kappa)^20)
             - B exp(-beta (r/re - 1)) / (1 + (r/re - lambda)^20)

and a cubic in rho, another cubic, and a logarithmic form for F, as in Zhou, Johnson and Wadley,
Phys. Rev. B 69 (2004) 144113, whose parameters (as revised for the tables of 2004 at NIST) these
are for Ni, Fe and Pt. Those of Nb are a later fit in the same form (Lin et al., J. Phys.: Condens.
Matter 25 (2013) 105404, and its corrigendum 209501); with them bcc niobium has the measured lattice
constant 3.300 Å, cohesive energy 7.57 eV and bulk modulus 170 GPa. Unlike atoms are mixed by
Johnson's rule, phi_ab = (f_b/f_a phi_aa + f_a/f_b phi_bb) / 2, which no alloy was fitted to.

f and phi are brought to zero between SWITCH and CUTOFF, so that forces are continuous; the energies
above change by less than 1 meV/atom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hydria.data.structures import Floats

SWITCH, CUTOFF = 5.5, 6.5  # Å
NEAREST = 1.0  # Å; tables begin here
RADII = np.linspace(NEAREST, CUTOFF, 4001)


@dataclass(frozen=True)
class Metal:
    """Parameters of one element; energies in eV, lengths in Å, the rest without unit."""

    re: float
    fe: float
    rho_e: float
    rho_s: float
    alpha: float
    beta: float
    a: float
    b: float
    kappa: float
    lambda_: float
    knee: float  # where the first cubic ends, in rho_e
    low: tuple[float, float, float, float]  # F up to there, in powers of rho/(knee rho_e) - 1
    middle: tuple[float, float, float, float]  # F up to 1.15 rho_e, in powers of rho/rho_e - 1
    eta: float
    high: float  # F above: high (1 - eta ln x) x^eta with x = rho/rho_s


METALS = {
    28: Metal(
        2.488746, 2.007018, 27.562015, 27.562031, 8.383453, 4.471175, 0.429046, 0.633531,
        0.443599, 0.820658, 0.85, (-2.693513, -0.076445, 0.241442, -2.375626),
        (-2.70, 0.0, 0.265390, -0.152856), 0.445470, -2.7,
    ),
    41: Metal(
        2.858230, 2.889832, 31.744900, 31.744900, 7.514546, 4.5, 0.569650, 0.905874,
        0.136112, 0.388893, 0.85, (-4.928550, -0.549044, 1.680064, -2.699442),
        (-4.975703, 0.0, 1.980875, -0.765504), 0.890133, -4.975568,
    ),
    26: Metal(
        2.481987, 1.885957, 20.041463, 20.041463, 9.818270, 5.236411, 0.392811, 0.646243,
        0.170306, 0.340613, 0.85, (-2.534992, -0.059605, 0.193065, -2.282322),
        (-2.54, 0.0, 0.200269, -0.148770), 0.391750, -2.539945,
    ),
    78: Metal(
        2.771916, 2.336509, 33.367564, 35.205357, 7.105782, 3.789750, 0.556398, 0.696037,
        0.385255, 0.770510, 0.25, (-1.455568, -2.149952, 0.528491, 1.222875),
        (-4.17, 0.0, 3.010561, -2.420128), 1.450000, -4.145597,
    ),
}  # fmt: skip


class Potential:
    """Energies and forces of crystals of the given elements."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        from scipy.interpolate import CubicSpline

        self.kind_of = np.full(max(numbers) + 1, -1)
        self.kind_of[list(numbers)] = np.arange(len(numbers))
        metals = [METALS[number] for number in numbers]
        density = np.array([_decay(m.fe, m.beta, m.lambda_, m.re) for m in metals])
        like = np.array(
            [_decay(m.a, m.alpha, m.kappa, m.re) - _decay(m.b, m.beta, m.lambda_, m.re)
             for m in metals]
        )  # fmt: skip
        ratio = density[None, :] / density[:, None]  # [a, b]: f_b / f_a
        pair = (ratio * like[:, None] + like[None, :] / ratio) / 2
        switch = _switch(RADII)
        self.density: Any = CubicSpline(RADII, density * switch, axis=-1)
        self.pair: Any = CubicSpline(RADII, pair * switch, axis=-1)
        self.embedding: list[Any] = [CubicSpline(*_embedding(metal)) for metal in metals]

    def evaluate(self, atoms: Any) -> tuple[Floats, Floats]:
        """Energy of each atom (N,), eV, and forces (N, 3), eV/Å."""
        from vesin import ase_neighbor_list

        kind = self.kind_of[atoms.numbers]
        i, j, r, vector = ase_neighbor_list("ijdD", atoms, CUTOFF)
        count = len(atoms)
        rows = np.arange(len(r))
        density, slope = self.density(r), self.density(r, 1)  # (kinds, E)
        rho = np.bincount(i, density[kind[j], rows], count)
        embedded, embedded_slope = np.empty(count), np.empty(count)
        for number, spline in enumerate(self.embedding):
            own = kind == number
            embedded[own], embedded_slope[own] = spline(rho[own]), spline(rho[own], 1)
        pair = self.pair(r)[kind[i], kind[j], rows]
        energies = embedded + np.bincount(i, pair, count) / 2
        pull = (
            self.pair(r, 1)[kind[i], kind[j], rows]
            + embedded_slope[i] * slope[kind[j], rows]
            + embedded_slope[j] * slope[kind[i], rows]
        )
        along = pull[:, None] * vector / r[:, None]
        columns = [np.bincount(i, along[:, axis], count) for axis in range(3)]
        forces: Floats = np.stack(columns, axis=1)
        return energies, forces


def _decay(height: float, rate: float, centre: float, re: float) -> Floats:
    x = RADII / re
    decayed: Floats = height * np.exp(-rate * (x - 1)) / (1 + (x - centre) ** 20)
    return decayed


def _switch(r: Floats) -> Floats:
    """1 up to SWITCH, 0 from CUTOFF on, twice continuously differentiable."""
    x = np.clip((r - SWITCH) / (CUTOFF - SWITCH), 0, 1)
    smooth: Floats = 1 - x**3 * (10 - 15 * x + 6 * x**2)
    return smooth


def _embedding(metal: Metal) -> tuple[Floats, Floats]:
    rho = np.linspace(0, 4 * metal.rho_e, 8001)
    low = np.polynomial.Polynomial(metal.low)(rho / (metal.knee * metal.rho_e) - 1)
    middle = np.polynomial.Polynomial(metal.middle)(rho / metal.rho_e - 1)
    x = np.maximum(rho / metal.rho_s, 1e-9)
    high = metal.high * (1 - metal.eta * np.log(x)) * x**metal.eta
    parts = [rho < metal.knee * metal.rho_e, rho < 1.15 * metal.rho_e]
    return rho, np.select(parts, [low, middle], high)
