"""Neighbours of moving atoms: searched for anew only when atoms may have come into reach."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydria.graph.neighbors import radius_graph

Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """The pairs within the cutoff, sorted by target."""

    edge_index: NDArray[np.int64]
    """(2, E), ``[0]`` source, ``[1]`` target."""
    edge_shifts: Floats
    """(E, 3) Å."""


class SkinList:
    """A neighbour list that stays valid until an atom has moved by half a skin.

    Pairs within the cutoff plus the skin are kept; of these, each call gives those within the
    cutoff. With a cap on the neighbours, nearest ones are chosen anew in each call.

    Attributes:
        searches: how often neighbours were searched for.
    """

    def __init__(self, cutoff: float, skin: float, max_neighbours: int | None = None) -> None:
        """Search for nothing yet; `cutoff` and `skin` in Å."""
        self.cutoff, self.skin, self.max_neighbours = cutoff, skin, max_neighbours
        self.searches = 0
        self._known: tuple[Floats, Floats, NDArray[np.bool_]] | None = None

    def __call__(self, pos: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> Pairs:
        """The pairs at (N, 3) positions in a (3, 3) cell, periodic along the axes of `pbc`."""
        if self.max_neighbours is not None:
            return self._search(pos, cell, pbc, self.cutoff)
        if not self._is_valid(pos, cell, pbc):
            self._wide = self._search(pos, cell, pbc, self.cutoff + self.skin)
            self._known = pos.copy(), cell.copy(), pbc.copy()
        source, target = self._wide.edge_index
        vectors = pos[target] - pos[source] + self._wide.edge_shifts
        near = np.einsum("ei,ei->e", vectors, vectors) < self.cutoff**2
        return Pairs(self._wide.edge_index.compress(near, axis=1), self._wide.edge_shifts[near])

    def _search(self, pos: Floats, cell: Floats, pbc: NDArray[np.bool_], cutoff: float) -> Pairs:
        self.searches += 1
        periodic: Any = (cell, pbc) if pbc.any() else (None, None)
        edges = radius_graph(pos, *periodic, cutoff=cutoff, max_neighbours=self.max_neighbours)
        return Pairs(edges.edge_index, edges.edge_shifts)

    def _is_valid(self, pos: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> bool:
        if self._known is None:
            return False
        before, lattice, periodic = self._known
        same = pos.shape == before.shape and np.array_equal(pbc, periodic)
        if not same or not np.array_equal(cell, lattice):
            return False
        moved = pos - before
        return bool(np.einsum("ni,ni->n", moved, moved).max(initial=0.0) < (0.5 * self.skin) ** 2)
