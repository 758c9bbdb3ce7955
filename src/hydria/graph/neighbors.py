"""Neighbour lists of open and periodic structures, found by vesin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import GraphError

Array = NDArray[Any]
Floats = NDArray[np.float64]
Namer = Callable[[int], str]

# distances that differ by less are equal when the nearest neighbours are chosen, so that rounding
# does not decide between atoms of one shell
TIE_A = 1e-8
# portions of about this many atoms are searched at a time: their edges stay in the cache while they
# are sorted (twice as fast as sorting the edges of a whole data set at once)
PORTION_ATOMS = 512
# relative volume (area, length) below which lattice vectors count as linearly dependent
SINGULAR = 1e-10
# pairs, lengths, unit shifts, shifts: the dtypes where there is nothing to concatenate
_NO_EDGES = (
    np.zeros((0, 2), np.int64),
    np.zeros(0),
    np.zeros((0, 3), np.int32),
    np.zeros((0, 3)),
)


@dataclass(frozen=True, slots=True)
class EdgeSet:
    """The edges of one structure, in order of (target, source, shift).

    ``pos[target] - pos[source] + edge_shifts`` is the edge vector, ``edge_len`` its norm.

    Attributes:
        edge_index: (2, E) int64, ``[0]`` source, ``[1]`` target.
        unit_shifts: (E, 3) int32, in lattice vectors.
        edge_shifts: (E, 3) ``unit_shifts @ cell``, Å.
        edge_len: (E,) Å.
        capped: atoms that have more than ``max_neighbours`` neighbours within the cutoff.
        isolated: atoms without any neighbour.
    """

    edge_index: NDArray[np.int64]
    unit_shifts: NDArray[np.int32]
    edge_shifts: Floats
    edge_len: Floats
    capped: int
    isolated: int


@dataclass(frozen=True, slots=True)
class EdgeSets:
    """The edges of G structures; those of structure g are ``edge_ptr[g]:edge_ptr[g + 1]``.

    Attributes:
        edge_ptr: (G + 1,) int64.
        source, target: (E,) int32, counted within the structure.
        unit_shifts, edge_shifts, edge_len: as in `EdgeSet`.
        capped, isolated: (G,) number of such atoms in each structure.
    """

    edge_ptr: NDArray[np.int64]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    unit_shifts: NDArray[np.int32]
    edge_shifts: Floats
    edge_len: Floats
    capped: NDArray[np.int64]
    isolated: NDArray[np.int64]


def radius_graph(
    pos: ArrayLike,
    cell: ArrayLike | None = None,
    pbc: ArrayLike | None = None,
    *,
    cutoff: float,
    max_neighbours: int | None = None,
) -> EdgeSet:
    """Find all pairs of atoms of one structure closer than `cutoff`, periodic images included.

    Args:
        pos: (N, 3) positions, Å; they may lie outside the cell.
        cell: (3, 3) lattice vectors as rows, Å; only those of periodic axes matter.
        pbc: (3,) periodicity per axis; default: periodic where there is a cell.
        cutoff: strictly positive radius, Å.
        max_neighbours: keep this many nearest neighbours of each target; of equally distant ones
            those that come first in the order of edges.

    Returns:
        Edges sorted by target; a pair may recur with different shifts, and an atom may neighbour
        its own image, but never itself.

    Raises:
        GraphError: for a cutoff or cap that is not positive, positions that are not finite, or
            periodic axes whose lattice vectors are linearly dependent.

    Source: oracle: brute force over images in tests/numerics/test_neighbors.py.
    """
    pos = np.asarray(pos, dtype=np.float64)
    sets = radius_graphs(
        pos,
        [0, len(pos)],
        None if cell is None else np.asarray(cell, dtype=np.float64)[None],
        None if pbc is None else np.asarray(pbc, dtype=bool)[None],
        cutoff=cutoff,
        max_neighbours=max_neighbours,
    )
    return EdgeSet(
        np.stack([sets.source, sets.target]).astype(np.int64),
        sets.unit_shifts,
        sets.edge_shifts,
        sets.edge_len,
        int(sets.capped[0]),
        int(sets.isolated[0]),
    )


def radius_graphs(
    pos: ArrayLike,
    node_ptr: ArrayLike,
    cell: ArrayLike | None = None,
    pbc: ArrayLike | None = None,
    *,
    cutoff: float,
    max_neighbours: int | None = None,
    names: Sequence[str] | None = None,
) -> EdgeSets:
    """`radius_graph` of many structures at once; only the search itself visits them one by one.

    Args:
        pos: (N, 3) positions of all structures, Å.
        node_ptr: (G + 1,) first atom of each structure, then N.
        cell: (G, 3, 3) lattice vectors as rows, Å.
        pbc: (G, 3) periodicity per axis; default: periodic where there is a cell.
        cutoff: strictly positive radius, Å.
        max_neighbours: keep this many nearest neighbours of each target.
        names: names of the structures for messages.

    Raises:
        GraphError: as `radius_graph`, naming the structure.
    """
    pos = np.ascontiguousarray(pos, dtype=np.float64)
    node_ptr = np.asarray(node_ptr, dtype=np.int64)

    def name(graph: int) -> str:
        return names[graph] if names is not None else f"structure {graph}"

    _check_numbers(cutoff, max_neighbours)
    _check_positions(pos, node_ptr, name)
    cells, periodic = _lattices(cell, pbc, len(node_ptr) - 1, name)
    search = _Search(pos, node_ptr, cells, periodic, cutoff, max_neighbours, name)
    return _joined([search.edges(first, last) for first, last in _portions(node_ptr)])


def _portions(node_ptr: Array) -> list[tuple[int, int]]:
    """Ranges of structures with about `PORTION_ATOMS` atoms each, at least one range."""
    new = np.flatnonzero(np.diff(node_ptr[:-1] // PORTION_ATOMS)) + 1
    bounds = [0, *new.tolist(), len(node_ptr) - 1]
    return list(pairwise(bounds))


def _joined(parts: Sequence[EdgeSets]) -> EdgeSets:
    counts = [np.diff(part.edge_ptr) for part in parts]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in EdgeSets.__slots__
        if name != "edge_ptr"
    }
    return EdgeSets(edge_ptr=np.r_[0, np.cumsum(np.concatenate(counts))], **columns)


def _check_numbers(cutoff: float, max_neighbours: int | None) -> None:
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise GraphError(f"cutoff: expected a finite number > 0 (Å), got {cutoff}")
    if max_neighbours is not None and max_neighbours < 1:
        raise GraphError(f"max_neighbours: expected an integer >= 1, got {max_neighbours}")


def _check_positions(pos: Floats, node_ptr: Array, name: Namer) -> None:
    if pos.ndim != 2 or pos.shape[1] != 3 or node_ptr[-1] != len(pos):
        raise GraphError(f"pos: expected shape ({node_ptr[-1]}, 3), got {pos.shape}")
    finite = np.isfinite(pos)
    if not finite.all():
        atom = int(np.flatnonzero(~finite.all(axis=1))[0])
        graph = int(np.searchsorted(node_ptr, atom, side="right")) - 1
        raise GraphError(
            f"{name(graph)}, atom {atom - node_ptr[graph]}: expected finite positions, "
            f"got {pos[atom].tolist()}"
        )


def _lattices(
    cell: ArrayLike | None, pbc: ArrayLike | None, num_graphs: int, name: Namer
) -> tuple[Floats, NDArray[np.bool_]]:
    """(G, 3, 3) lattice vectors, zero along open axes, and (G, 3) periodicity."""
    if cell is None:
        if pbc is not None and np.any(pbc):
            raise GraphError("pbc: expected a cell for the periodic axes, got none")
        return np.zeros((num_graphs, 3, 3)), np.zeros((num_graphs, 3), dtype=bool)
    vectors = np.asarray(cell, dtype=np.float64)
    periodic = np.ones((num_graphs, 3), dtype=bool) if pbc is None else np.asarray(pbc, dtype=bool)
    for label, array, shape in (("cell", vectors, (3, 3)), ("pbc", periodic, (3,))):
        if array.shape != (num_graphs, *shape):
            raise GraphError(f"{label}: expected shape {(num_graphs, *shape)}, got {array.shape}")
    vectors = np.where(periodic[:, :, None], vectors, 0.0)
    singular = np.flatnonzero(_singular(vectors, periodic))
    if len(singular):
        graph = int(singular[0])
        raise GraphError(
            f"{name(graph)}: expected finite, linearly independent lattice vectors along the "
            f"periodic axes {periodic[graph].tolist()}, got {vectors[graph].tolist()}. "
            "Hint: set pbc to false along axes that are not periodic"
        )
    return vectors, periodic


def _singular(vectors: Floats, periodic: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(G,) where periodic vectors are zero, not finite, or span less than they should."""
    finite: Array = np.asarray(np.isfinite(vectors).all(axis=(1, 2)))
    finite_vectors = np.where(finite[:, None, None], vectors, 0.0)
    lengths = np.linalg.norm(finite_vectors, axis=2, keepdims=True)
    unit = finite_vectors / np.where(lengths > 0, lengths, 1.0)
    # the Gram determinant is the squared volume spanned by the unit vectors of the periodic axes:
    # 0 for a periodic axis of no length, 1 on the diagonal for an open one
    gram = np.einsum("gai,gbi->gab", unit, unit)
    gram[:, range(3), range(3)] += ~periodic
    singular: Array = ~finite | (np.linalg.det(gram) < SINGULAR)
    return singular


class _Search:
    """What is the same for all portions of a search."""

    def __init__(
        self,
        pos: Floats,
        node_ptr: Array,
        cells: Floats,
        periodic: NDArray[np.bool_],
        cutoff: float,
        max_neighbours: int | None,
        name: Namer,
    ) -> None:
        from vesin import NeighborList

        self.pos, self.node_ptr, self.cells, self.periodic = pos, node_ptr, cells, periodic
        self.max_neighbours = max_neighbours
        self.name = name
        self.with_images = np.asarray(periodic.any(axis=1))
        # structures are shared out among processes, so each search keeps to one thread
        self.finder = NeighborList(cutoff=cutoff, full_list=True, n_threads=1)

    def edges(self, first: int, last: int) -> EdgeSets:
        """Sorted and capped edges of the structures `first` to `last` (excluded)."""
        node_ptr = self.node_ptr[first : last + 1] - self.node_ptr[first]
        num_nodes = int(node_ptr[-1])
        found = [self._pairs(graph) for graph in range(first, last)]
        pairs, lengths, units, shifts = map(np.concatenate, zip(_NO_EDGES, *found, strict=True))
        counts = np.array([len(part[0]) for part in found], dtype=np.int64)
        graph = np.repeat(np.arange(last - first), counts)
        target = pairs[:, 1] + node_ptr[graph]

        order = radix_order(_source_and_shift(pairs[:, 0], units), target)
        target, lengths = target[order], lengths[order]
        degree = np.bincount(target, minlength=num_nodes)
        too_many = np.zeros(num_nodes, dtype=np.bool_)
        if self.max_neighbours is not None and (degree > self.max_neighbours).any():
            too_many = degree > self.max_neighbours
            kept = _nearest(target, lengths, degree, self.max_neighbours)
            order, target, lengths = order[kept], target[kept], lengths[kept]
        return EdgeSets(
            np.searchsorted(target, node_ptr),
            pairs[:, 0][order].astype(np.int32),
            pairs[:, 1][order].astype(np.int32),
            units.take(order, axis=0),
            shifts.take(order, axis=0),
            lengths,
            _count_by_graph(too_many, node_ptr),
            _count_by_graph(degree == 0, node_ptr),
        )

    def _pairs(self, graph: int) -> tuple[Array, Floats, Array, Floats]:
        """Pairs (E, 2) source and target, lengths, unit shifts, shifts of one structure."""
        points = self.pos[self.node_ptr[graph] : self.node_ptr[graph + 1]]
        cell = self.cells[graph]
        periodic = self.with_images[graph]
        wanted = "PdS" if periodic else "Pd"
        try:
            # the views die with the next call, hence the copies
            pairs, lengths, *units = self.finder.compute(
                points, cell, self.periodic[graph], wanted, copy=False
            )
        except RuntimeError as err:
            raise GraphError(f"{self.name(graph)}: no neighbour list could be made: {err}") from err
        if not periodic:
            none = np.zeros((len(lengths), 3))
            return pairs.astype(np.int64), lengths.copy(), none.astype(np.int32), none
        return pairs.astype(np.int64), lengths.copy(), units[0].copy(), units[0] @ cell


def _source_and_shift(source: Array, units: Array) -> Array:
    """(E,) integers in the order of (source, shift)."""
    if not len(source):
        return source
    key = source
    for axis in range(3):
        column = units[:, axis]
        low, high = int(column.min()), int(column.max())
        if high > low:
            key = key * (high - low + 1) + (column - low)
    return key


def radix_order(*keys: Array) -> Array:
    """The stable order of non-negative integers, the last key counting most.

    Equal to ``np.lexsort(keys)``, but linear: NumPy sorts 16-bit integers by counting.
    """
    order = np.arange(len(keys[0]))
    for key in keys:
        largest = int(key.max(initial=0))
        for shift in range(0, max(largest.bit_length(), 1), 16):
            digit = (key >> shift).astype(np.uint16)[order]
            order = order[np.argsort(digit, kind="stable")]
    return order


def _nearest(target: Array, lengths: Floats, degree: Array, keep: int) -> NDArray[np.bool_]:
    """(E,) which edges, sorted by target, are among the `keep` nearest of their target.

    Of equally long ones at the limit the first are kept.
    """
    first = np.cumsum(degree) - degree
    place = np.arange(len(target)) - first[target]
    table = np.full((len(degree), degree.max()), np.inf)  # (N, neighbours)
    table[target, place] = lengths
    limit = np.partition(table, keep - 1, axis=1)[:, keep - 1 : keep]
    few = np.isinf(limit)  # a target with fewer neighbours has no limit and keeps all of them
    limit[few] = -1.0
    nearer = table < limit - TIE_A
    tied = np.abs(table - limit) <= TIE_A
    room = keep - nearer.sum(axis=1, keepdims=True)
    chosen = nearer | (tied & (tied.cumsum(axis=1) <= room))
    kept: Array = (chosen | few)[target, place]
    return kept


def _count_by_graph(marked: Array, node_ptr: Array) -> NDArray[np.int64]:
    """(G,) how many nodes of each structure are marked."""
    total = np.r_[0, np.cumsum(marked, dtype=np.int64)]
    return np.asarray(total[node_ptr[1:]] - total[node_ptr[:-1]])
