"""The data set `lsms`: random Cu-Au crystals in LSMS text, energies from the EMT potential.

Each structure is a 2 x 2 x 2 block of cubic fcc cells (32 atoms) with a number of gold atoms drawn
from 0 to 32 on random sites, the lattice constant by Vegard's rule, and every coordinate displaced
by a normal deviate. The energy is that of effective-medium theory as ASE has it (Jacobsen, Stoltze
and Nørskov, Surf. Sci. 366 (1996) 394). It gives neither charges nor moments; `local_columns` is
the model that fills those columns. configs/README.md states all of it for users.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hydria.data.progress import Progress, silent
from hydria.data.sets.entry import DataSet
from hydria.data.structures import Floats

COUNT = 1000
SEED = 2021
COPPER, GOLD = 29, 79
LATTICE = {COPPER: 3.615, GOLD: 4.078}  # Å, experimental
RATTLE = 0.03  # Å, standard deviation of each coordinate
DECIMALS = 8

ELECTRONEGATIVITY = {COPPER: 1.90, GOLD: 2.54}  # Pauling
TRANSFER = 0.15  # electrons per unit of electronegativity and of weight
SCREENING = {COPPER: 1.0, GOLD: 2.0}
CUTOFF = 5.0  # Å
RANGE = 2.5  # Å

FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
BLOCK = np.array([(i, j, k) for i in range(2) for j in range(2) for k in range(2)])
SITES = (BLOCK[:, None, :] + FCC[None, :, :]).reshape(-1, 3)  # (32, 3) in lattice constants


@dataclass(frozen=True)
class Crystal:
    """One periodic cubic cell."""

    numbers: Floats  # (32,) protons
    pos: Floats  # (32, 3) Å
    edge: float  # Å, of the cubic cell


def make(folder: Path, count: int = COUNT, progress: Progress = silent) -> None:
    """Write `count` structures to `folder`/raw and their lattices to `folder`/lattice.csv.

    The same `count` gives the same files, bit for bit.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    # RandomState's streams are frozen for all versions of NumPy; those of Generator are not
    rng = np.random.RandomState(SEED)
    lattices = ["file,ax,ay,az,bx,by,bz,cx,cy,cz,pbc"]
    for index in range(count):
        crystal = draw(rng)
        name = f"CuAu_{index:04d}.txt"
        (raw / name).write_text(as_lsms(crystal), encoding="ascii")
        edge = f"{crystal.edge:.{DECIMALS}f}"
        lattices.append(f"{name},{edge},0,0,0,{edge},0,0,0,{edge},TTT")
        progress("structures", index + 1, count)
    (folder / "lattice.csv").write_text("\n".join(lattices) + "\n", encoding="ascii")


def draw(rng: np.random.RandomState) -> Crystal:
    """A random crystal: composition, sites, displacements, in this order of draws."""
    gold = rng.randint(0, len(SITES) + 1)
    numbers = np.full(len(SITES), float(COPPER))
    numbers[rng.permutation(len(SITES))[:gold]] = GOLD
    fraction = gold / len(SITES)
    constant = (1 - fraction) * LATTICE[COPPER] + fraction * LATTICE[GOLD]
    pos = SITES * constant + rng.normal(0.0, RATTLE, SITES.shape)
    # what is computed is what the file says
    return Crystal(numbers, pos.round(DECIMALS), round(2 * constant, DECIMALS))


def as_lsms(crystal: Crystal) -> str:
    """The text of one file; see `hydria.data.formats.lsms` for its columns."""
    electrons, moment = local_columns(crystal)
    surplus = (electrons - crystal.numbers).sum()
    lines = [f"{energy(crystal):.{DECIMALS}f} {_tidy(surplus)} {moment.sum():.{DECIMALS}f}"]
    for index, (protons, pos) in enumerate(zip(crystal.numbers, crystal.pos, strict=True)):
        values = (*pos, electrons[index], moment[index])
        lines.append(f"{protons:.1f} {index} " + " ".join(f"{v:.{DECIMALS}f}" for v in values))
    return "\n".join(lines) + "\n"


def _tidy(value: float) -> str:
    """A sum that is zero but for rounding, without a sign that depends on the machine."""
    return f"{abs(value):.{DECIMALS}f}"


def energy(crystal: Crystal) -> float:
    """Total energy in Rydberg; zero is the pure elements in equilibrium."""
    from ase import Atoms
    from ase.calculators.emt import EMT
    from ase.units import Rydberg

    cell = np.eye(3) * crystal.edge
    numbers = crystal.numbers.astype(int)
    atoms: Any = Atoms(numbers=numbers, positions=crystal.pos, cell=cell, pbc=True)
    atoms.calc = EMT()  # type: ignore[no-untyped-call]
    return float(atoms.get_potential_energy()) / float(Rydberg)


def local_columns(crystal: Crystal) -> tuple[Floats, Floats]:
    """Electrons and magnetic moment of each atom, each (32,): smooth in the positions.

    With w(r) = exp(-(r / RANGE)^2) (1 + cos(pi r / CUTOFF)) / 2 over all neighbours j of atom i
    nearer than CUTOFF, images included:

        electrons_i = Z_i + TRANSFER sum_j (chi_i - chi_j) w(r_ij)   (adds up to neutrality)
        moment_i    = 1 / (1 + sum_j s_j w(r_ij))                    (closes as others come near)
    """
    chi = _by_element(crystal.numbers, ELECTRONEGATIVITY)
    screening = _by_element(crystal.numbers, SCREENING)
    weights = _pair_weights(crystal)  # (32, 32)
    electrons = crystal.numbers + TRANSFER * (chi * weights.sum(axis=1) - weights @ chi)
    return electrons, 1.0 / (1.0 + weights @ screening)


def _by_element(numbers: Floats, table: dict[int, float]) -> Floats:
    return np.array([table[int(number)] for number in numbers])


def _pair_weights(crystal: Crystal) -> Floats:
    """(32, 32) sum of w over the images of each pair; an atom is no neighbour of itself."""
    images = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    shifted = crystal.pos[None, :, :] + (images * crystal.edge)[:, None, :]  # (27, 32, 3)
    vectors = shifted[:, None, :, :] - crystal.pos[None, :, None, :]  # (27, 32, 32, 3)
    distance = np.sqrt((vectors**2).sum(axis=-1))
    near = (distance < CUTOFF) & (distance > 0)
    weight = np.exp(-((distance / RANGE) ** 2)) * 0.5 * (1 + np.cos(np.pi * distance / CUTOFF))
    total: Floats = np.where(near, weight, 0.0).sum(axis=0)
    return total


def _make(folder: Path, progress: Progress) -> None:
    make(folder, progress=progress)


DATA_SET = DataSet(
    "lsms",
    "1 000 periodic 32-atom Cu-Au crystals in LSMS text; EMT energies, computed here",
    make=_make,
)
