"""Structures as columns: what every raw format is read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hydria.core.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bonds:
    """The chemical bonds of G structures, each in both directions.

    Attributes:
        ptr: (G + 1,) first bond of each structure.
        source, target: (B,) atoms, counted within the structure; sorted by target.
        order: (B,) 1, 1.5, 2 or 3.
    """

    ptr: NDArray[np.int64]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    order: Floats


@dataclass(frozen=True)
class Structures:
    """G structures with N atoms in all; the atoms of one structure are contiguous.

    Attributes:
        names: where each structure was read, for messages: `file` or `file#frame`.
        node_ptr: (G + 1,) first atom of each structure.
        numbers: (N,) atomic numbers (or whatever integers tell atom types apart).
        pos: (N, 3) positions, Å.
        cell: (G, 3, 3) lattice vectors as rows, Å; None when no structure has any.
        pbc: (G, 3) periodicity per axis; None together with `cell`.
        node: feature name → (N, dim).
        graph: feature name → (G, dim).
        units: feature name → unit, for those whose unit the format fixes.
        source: (G,) number of the data set of each structure, where the samples say so.
        bonds: chemical bonds, where the format knows them.
        labels: what the data calls the kind of each structure (`config_type`), "" where nothing.
    """

    names: tuple[str, ...]
    node_ptr: NDArray[np.int64]
    numbers: NDArray[np.int32]
    pos: Floats
    cell: Floats | None = None
    pbc: NDArray[np.bool_] | None = None
    node: dict[str, Floats] = field(default_factory=dict)
    graph: dict[str, Floats] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    source: NDArray[np.int64] | None = None
    bonds: Bonds | None = None
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """(G,) atoms of each structure."""
        return np.diff(self.node_ptr)

    def atom_name(self, atom: int) -> str:
        """`structure, atom i` for messages; i counts from 0 within the structure."""
        owner = int(np.searchsorted(self.node_ptr, atom, side="right")) - 1
        return f"{self.names[owner]}, atom {atom - self.node_ptr[owner]}"


def pointers(counts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """(G + 1,) offsets of consecutive groups of the given sizes."""
    result = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=result[1:])
    return result


def join(parts: Sequence[Structures]) -> Structures:
    """All structures of `parts`, in order."""
    if len(parts) == 1:
        return parts[0]
    with_cell = {part.cell is not None for part in parts}
    if len(with_cell) > 1:
        raise DataError(
            "Dataset: expected lattice vectors in all structures or in none, got both. "
            "Hint: give Dataset.lattice, or keep periodic and open structures apart"
        )
    cells = [part.cell for part in parts if part.cell is not None]
    bonds = [part.bonds for part in parts if part.bonds is not None]
    sources = [part.source for part in parts if part.source is not None]
    labels = [part.labels for part in parts if part.labels is not None]
    pbcs = [part.pbc for part in parts if part.pbc is not None]
    return Structures(
        names=tuple(name for part in parts for name in part.names),
        node_ptr=pointers(np.concatenate([part.num_atoms for part in parts])),
        numbers=np.concatenate([part.numbers for part in parts]),
        pos=np.concatenate([part.pos for part in parts]),
        cell=np.concatenate(cells) if cells else None,
        pbc=np.concatenate(pbcs) if pbcs else None,
        node={name: np.concatenate([p.node[name] for p in parts]) for name in parts[0].node},
        graph={name: np.concatenate([p.graph[name] for p in parts]) for name in parts[0].graph},
        units=parts[0].units,
        source=np.concatenate(sources) if len(sources) == len(parts) else None,
        bonds=_joined(bonds) if len(bonds) == len(parts) else None,
        labels=tuple(sum(labels, ())) if len(labels) == len(parts) else None,
    )


def _joined(parts: Sequence[Bonds]) -> Bonds:
    return Bonds(
        pointers(np.concatenate([np.diff(part.ptr) for part in parts])),
        np.concatenate([part.source for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.order for part in parts]),
    )
