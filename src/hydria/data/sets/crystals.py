"""Random binary alloys on an fcc lattice, their charges, and LSMS text of them.

A crystal is a 2 x 2 x 2 block of cubic fcc cells (32 atoms) with a number of atoms of the second
element drawn from 0 to 32 on random sites, the lattice constant by Vegard's rule, and every
coordinate displaced by a normal deviate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hydria.data.progress import Progress
from hydria.data.structures import Floats

DECIMALS = 8
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
BLOCK = np.array([(i, j, k) for i in range(2) for j in range(2) for k in range(2)])
SITES = (BLOCK[:, None, :] + FCC[None, :, :]).reshape(-1, 3)  # (32, 3) in lattice constants

ELECTRONEGATIVITY = {26: 1.83, 29: 1.90, 78: 2.28, 79: 2.54}  # Pauling
TRANSFER = 0.15  # electrons per unit of electronegativity and of weight
CUTOFF = 5.0  # Å
RANGE = 2.5  # Å


@dataclass(frozen=True)
class Alloy:
    """Two elements on one fcc lattice.

    Attributes:
        numbers: protons of the first and the second element.
        lattice: fcc lattice constant of each, Å.
        rattle: standard deviation of each coordinate, Å.
    """

    numbers: tuple[int, int]
    lattice: tuple[float, float]
    rattle: float


@dataclass(frozen=True)
class Crystal:
    """One periodic cubic cell."""

    numbers: Floats  # (32,) protons
    pos: Floats  # (32, 3) Å
    edge: float  # Å, of the cubic cell


def draw(alloy: Alloy, rng: np.random.RandomState, stretch: float = 1.0) -> Crystal:
    """A random crystal: composition, sites, displacements, in this order of draws.

    Args:
        stretch: factor on the lattice constant.
    """
    second = rng.randint(0, len(SITES) + 1)
    numbers = np.full(len(SITES), float(alloy.numbers[0]))
    numbers[rng.permutation(len(SITES))[:second]] = alloy.numbers[1]
    fraction = second / len(SITES)
    constant = ((1 - fraction) * alloy.lattice[0] + fraction * alloy.lattice[1]) * stretch
    pos = SITES * constant + rng.normal(0.0, alloy.rattle, SITES.shape)
    # what is computed is what the file says
    return Crystal(numbers, pos.round(DECIMALS), round(2 * constant, DECIMALS))


def as_atoms(crystal: Crystal) -> Any:
    """The same as periodic `ase.Atoms`."""
    from ase import Atoms

    return Atoms(
        numbers=crystal.numbers.astype(int),
        positions=crystal.pos,
        cell=np.eye(3) * crystal.edge,
        pbc=True,
    )


def by_element(numbers: Floats, table: dict[int, float]) -> Floats:
    """(N,) value of each atom."""
    return np.array([table[int(number)] for number in numbers])


def pair_weights(crystal: Crystal) -> Floats:
    """(32, 32) sum of w over the images of each pair; an atom is no neighbour of itself.

    w(r) = exp(-(r / RANGE)^2) (1 + cos(pi r / CUTOFF)) / 2 up to CUTOFF, images included.
    """
    images = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    shifted = crystal.pos[None, :, :] + (images * crystal.edge)[:, None, :]  # (27, 32, 3)
    vectors = shifted[:, None, :, :] - crystal.pos[None, :, None, :]  # (27, 32, 32, 3)
    distance = np.sqrt((vectors**2).sum(axis=-1))
    near = (distance < CUTOFF) & (distance > 0)
    weight = np.exp(-((distance / RANGE) ** 2)) * 0.5 * (1 + np.cos(np.pi * distance / CUTOFF))
    total: Floats = np.where(near, weight, 0.0).sum(axis=0)
    return total


def electrons(crystal: Crystal, weights: Floats) -> Floats:
    """(32,) electrons of each atom: smooth in the positions, neutral in all.

    electrons_i = Z_i + TRANSFER sum_j (chi_i - chi_j) w(r_ij)
    """
    chi = by_element(crystal.numbers, ELECTRONEGATIVITY)
    transferred: Floats = TRANSFER * (chi * weights.sum(axis=1) - weights @ chi)
    return crystal.numbers + transferred


def lsms_text(crystal: Crystal, energy: float, electrons: Floats, moments: Floats) -> str:
    """The text of one LSMS file; see `hydria.data.formats.lsms` for its columns.

    Args:
        energy: of the cell, Ry.
        electrons: (32,) of each atom.
        moments: (32,) μB.
    """
    # zero but for rounding, without a sign that depends on the machine
    surplus = abs((electrons - crystal.numbers).sum())
    lines = [f"{energy:.{DECIMALS}f} {surplus:.{DECIMALS}f} {moments.sum():.{DECIMALS}f}"]
    for index, (protons, pos) in enumerate(zip(crystal.numbers, crystal.pos, strict=True)):
        values = (*pos, electrons[index], moments[index])
        lines.append(f"{protons:.1f} {index} " + " ".join(f"{v:.{DECIMALS}f}" for v in values))
    return "\n".join(lines) + "\n"


def write_lattices(folder: Path, edges: Iterable[tuple[str, float]]) -> None:
    """Write lattice.csv to `folder`: file and edge (Å) of each cubic cell."""
    lines = ["file,ax,ay,az,bx,by,bz,cx,cy,cz,pbc"]
    for name, length in edges:
        edge = f"{length:.{DECIMALS}f}"
        lines.append(f"{name},{edge},0,0,0,{edge},0,0,0,{edge},TTT")
    (folder / "lattice.csv").write_text("\n".join(lines) + "\n", encoding="ascii")


def with_results(atoms: Any, energy: float, forces: Floats) -> Any:
    """The same elements, positions and cell with an energy (eV) and forces (eV/Å)."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    calculator: Any = SinglePointCalculator
    frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.calc = calculator(frame, energy=energy, forces=forces)
    return frame


def write_frames(file: Path, frames: Iterable[Any], count: int, progress: Progress) -> None:
    """Write ASE frames as extended XYZ, one after the other.

    Args:
        count: how many there are, for `progress`; 0 when nobody knows.
    """
    from ase.io.extxyz import write_extxyz

    with file.open("w", encoding="utf-8") as stream:
        for index, frame in enumerate(frames):
            write_extxyz(stream, [frame])
            progress(file.stem, index + 1, count)
