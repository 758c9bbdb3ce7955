"""Energies of the elements, the scale of forces, and units that look wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydria.data.structures import Floats, Structures

log = logging.getLogger(__name__)

# of the energies per atom, in units of the number of structures: pulls the energies of elements
# that the data cannot tell apart towards one another, and no others noticeably
RIDGE = 1e-6
# eV in other units of energy: what to say when energies look as if they were given in them
HARTREE_EV, RYDBERG_EV = 27.211386, 13.605693
BOHR_A = 0.529177
# an atom with all its electrons has about -0.5 Z^2.39 Hartree; heavy atoms a little more
ALL_ELECTRON = (0.5, 2.39)
LIGHTEST_TOLD = 3  # hydrogen and helium have no core: pseudo-atoms look the same
TOLERANCE = 0.25
# frames of a trajectory whose atoms moved less than this tell whether forces are the slope
NEAR_A, FEWEST_PAIRS, MOST_PAIRS = 0.5, 5, 200


def fit_energies(numbers: NDArray[np.int64], counts: Floats, energies: Floats) -> dict[int, float]:
    """Energy of an atom of each element, by regularised least squares on energies per atom.

    Args:
        numbers: (Z,) atomic numbers.
        counts: (G, Z) atoms of each element in each structure.
        energies: (G,) eV.

    Returns:
        atomic number → eV. Elements that always come in one proportion share evenly.
    """
    atoms = counts.sum(axis=1)
    shares, target = counts / atoms[:, None], energies / atoms
    mean = target.mean()
    normal = shares.T @ shares + RIDGE * len(target) * np.eye(len(numbers))
    found = mean + np.linalg.solve(normal, shares.T @ (target - mean))
    return {int(z): float(energy) for z, energy in zip(numbers, found, strict=True)}


def element_counts(
    numbers: NDArray[np.int32], node_ptr: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """(Z,) atomic numbers that occur, ascending, and (G, Z) how often in each structure."""
    kinds, which = np.unique(numbers, return_inverse=True)
    owner = np.repeat(np.arange(len(node_ptr) - 1), np.diff(node_ptr))
    counts = np.zeros((len(node_ptr) - 1, len(kinds)))
    np.add.at(counts, (owner, which), 1)
    return kinds.astype(np.int64), counts


def warn_about_units(
    structures: Structures, energies: Floats, forces: Floats | None, fitted: Mapping[int, float]
) -> None:
    """Log a warning where energies or forces look as if they were not in eV and eV/Å."""
    told = _of_all_electrons(fitted)
    if told is None and forces is not None:
        told = _of_slope(_slope(structures, energies, forces))
    if told is not None:
        log.warning("%s. Potentials are fitted in eV, eV/Å and Å; convert the data first", told)


def _of_all_electrons(fitted: Mapping[int, float]) -> str | None:
    factor, power = ALL_ELECTRON
    ratios = [-energy / (factor * z**power) for z, energy in fitted.items() if z >= LIGHTEST_TOLD]
    for unit, ev in (("Hartree", HARTREE_EV), ("Rydberg", RYDBERG_EV)):
        expected = HARTREE_EV / ev
        if ratios and all(abs(r / expected - 1) < TOLERANCE for r in ratios):
            return (
                f"energies: expected eV, got numbers that scale like {unit} (they are those of "
                "atoms with all electrons in that unit)"
            )
    return None


@dataclass(frozen=True)
class Slope:
    """How differences of energies compare with the work of the forces."""

    ratio: float
    correlation: float


def _slope(structures: Structures, energies: Floats, forces: Floats) -> Slope | None:
    """Energy differences of neighbouring frames over the work of the mean forces."""
    work, change = [], []
    ptr = structures.node_ptr
    for g in range(len(structures) - 1):
        a, b = slice(ptr[g], ptr[g + 1]), slice(ptr[g + 1], ptr[g + 2])
        moved = _moved(structures, g, a, b)
        if moved is None:
            continue
        work.append(-0.5 * float(((forces[a] + forces[b]) * moved).sum()))
        change.append(float(energies[g + 1] - energies[g]))
        if len(work) == MOST_PAIRS:
            break
    if len(work) < FEWEST_PAIRS or not np.any(work) or not np.any(change):
        return None
    x, y = np.array(work), np.array(change)
    return Slope(float(x @ y / (x @ x)), float(x @ y / np.sqrt((x @ x) * (y @ y))))


def _moved(structures: Structures, g: int, a: slice, b: slice) -> Floats | None:
    """(N, 3) steps from frame g to the next one, or None where they are not near each other."""
    same = np.array_equal(structures.numbers[a], structures.numbers[b])
    cell = structures.cell
    if not same or (cell is not None and not np.array_equal(cell[g], cell[g + 1])):
        return None
    moved = structures.pos[b] - structures.pos[a]
    if cell is not None and structures.pbc is not None and structures.pbc[g].all():
        shares = np.linalg.solve(cell[g].T, moved.T).T
        moved = (shares - shares.round()) @ cell[g]
    return moved if np.abs(moved).max() < NEAR_A else None


def _of_slope(slope: Slope | None) -> str | None:
    """What a ratio other than 1 tells, where energies and forces belong together at all."""
    if slope is None or slope.correlation < 0.9:
        return None
    known = {
        "energies scale like Hartree beside forces in eV/Å": 1 / HARTREE_EV,
        "energies scale like Rydberg beside forces in eV/Å": 1 / RYDBERG_EV,
        "energies scale like Hartree and forces like Hartree/Bohr": 1 / BOHR_A,
        "forces scale like Hartree/Bohr beside energies in eV": HARTREE_EV / BOHR_A,
        "forces scale like Rydberg/Bohr beside energies in eV": RYDBERG_EV / BOHR_A,
        "energies scale like kcal/mol beside forces in eV/Å": 23.0605,
        "energies scale like kJ/mol beside forces in eV/Å": 96.4853,
    }
    for text, ratio in known.items():
        if abs(slope.ratio / ratio - 1) < TOLERANCE:
            return (
                f"{text}: along the trajectories of the data energies change "
                f"{slope.ratio:.3g} times as much as the forces say"
            )
    return None
