"""Descriptors of elements and of edges, as the config names them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hydria.config.dataset import Descriptors
from hydria.core.errors import DataError
from hydria.data.electronegativity import PAULING
from hydria.data.structures import Floats, Structures
from hydria.graph.angles import outward_normals, point_pair_features, spherical_coordinates
from hydria.graph.neighbors import EdgeSets

Ints = NDArray[np.int64]

NUM_ELEMENTS = 118
NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86, 118)
# first elements of the f blocks, which have no group of their own, and how many there are
F_BLOCKS = ((57, 14), (89, 14))


def element_features(numbers: NDArray[np.int32], names: tuple[str, ...]) -> Floats:
    """Descriptors of each atom by its element, scaled to [0, 1] over all elements.

    Args:
        numbers: (N,) atomic numbers.
        names: from `ELEMENTS`.

    Returns:
        (N, len(names)); an element of which a value is not known has the mean of all others.

    Raises:
        DataError: if a number is no element's.
    """
    wrong = numbers[(numbers < 1) | (numbers > NUM_ELEMENTS)]
    if len(wrong):
        raise DataError(
            f"Dataset.Descriptors.AtomicDescriptors: expected atomic numbers from 1 to "
            f"{NUM_ELEMENTS}, got {wrong[0]}"
        )
    table = np.stack([_scaled(ELEMENTS[name]()) for name in names], axis=1)
    result: Floats = table[numbers - 1]
    return result


def _scaled(values: Floats) -> Floats:
    known = np.where(np.isfinite(values), values, np.nanmean(values))
    low, high = known.min(), known.max()
    scaled: Floats = (known - low) / (high - low)
    return scaled


def _numbers() -> Ints:
    return np.arange(1, NUM_ELEMENTS + 1)


def _periods() -> Floats:
    return np.searchsorted(NOBLE_GASES, _numbers(), side="left").astype(np.float64)


def _blocks() -> Ints:
    """0 to 3 for s, p, d and f."""
    numbers, groups = _numbers(), _groups()
    blocks = np.where(groups <= 2, 0, np.where(groups >= 13, 1, 2))
    for first, count in F_BLOCKS:
        blocks[(numbers >= first) & (numbers < first + count)] = 3
    blocks[1] = 0  # helium
    return blocks


def _groups() -> Ints:
    """1 to 18; lanthanides and actinides count as group 3."""
    numbers = _numbers()
    before = np.array(NOBLE_GASES)[_periods().astype(int) - 1]
    column = numbers - before
    size = np.array(NOBLE_GASES)[_periods().astype(int)] - before
    # short periods lack the d block, long ones hold the f block in group 3
    groups = np.where((size == 2) & (column == 2), 18, column)
    groups = np.where((size == 8) & (column > 2), column + 10, groups)
    in_f = np.where((size == 32) & (column > 2), np.maximum(column - 14, 3), groups)
    return np.where(size == 32, in_f, groups)


def _valence_electrons() -> Floats:
    """Electrons outside the noble-gas core, without filled d and f shells of the p block."""
    groups = _groups()
    electrons = np.where(groups > 12, groups - 10, groups).astype(np.float64)
    electrons[1] = 2.0
    numbers = _numbers()
    for first, count in F_BLOCKS:
        part = (numbers >= first) & (numbers < first + count)
        electrons[part] = 3 + numbers[part] - first
    return electrons


def _from_ase(table: str) -> Callable[[], Floats]:
    """A table of ASE, NaN where nothing is known."""

    def values() -> Floats:
        import ase.data
        import ase.data.vdw

        source = ase.data.vdw if table == "vdw_radii" else ase.data
        given = np.asarray(getattr(source, table), dtype=np.float64)[1 : NUM_ELEMENTS + 1]
        padded = np.full(NUM_ELEMENTS, np.nan)
        padded[: len(given)] = given
        if table == "covalent_radii":
            padded[padded == ase.data.missing] = np.nan
        return padded

    return values


# name → value of each element, hydrogen first
ELEMENTS: dict[str, Callable[[], Floats]] = {
    "atomic_number": lambda: _numbers().astype(np.float64),
    "mass": _from_ase("atomic_masses"),
    "period": _periods,
    "group": lambda: _groups().astype(np.float64),
    "block": lambda: _blocks().astype(np.float64),
    "valence_electrons": _valence_electrons,
    "electronegativity": lambda: np.array(PAULING),
    "covalent_radius": _from_ase("covalent_radii"),
    "vdw_radius": _from_ase("vdw_radii"),
}


def edge_features(
    edges: EdgeSets, structures: Structures, descriptors: Descriptors, cutoff: float
) -> list[Floats]:
    """The descriptors of edges that are asked for, each (E, columns)."""
    if not (descriptors.SphericalCoordinates or descriptors.PointPairFeatures):
        return []
    first = np.repeat(structures.node_ptr[:-1], np.diff(edges.edge_ptr))
    source, target = edges.source + first, edges.target + first
    vectors = structures.pos[target] - structures.pos[source] + edges.edge_shifts
    found = []
    if descriptors.SphericalCoordinates:
        found.append(spherical_coordinates(vectors, cutoff))
    if descriptors.PointPairFeatures:
        normals = outward_normals(vectors, target, len(structures.pos))
        found.append(point_pair_features(vectors, source, target, normals, cutoff))
    return found
