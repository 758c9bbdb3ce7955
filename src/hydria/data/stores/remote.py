"""A store in the memory of all ranks, each of which holds a part: for what no node can hold.

Any rank reads any graph from the memory of its owner by MPI's remote memory access, which needs
nothing to be done there.
"""

from __future__ import annotations

import atexit
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError, HydriaError
from hydria.data.store import GraphStore, Store
from hydria.data.stores.columns import POINTERS, Key

Array = NDArray[Any]


class RemoteStore(Store):
    """Graphs over the ranks of a communicator. All ranks make it, and `close` it or end.

    Args:
        store: all graphs, of which each rank takes an equal part; or this rank's part.
        comm: an MPI communicator.
        parted: whether `store` is the part of this rank already.

    Raises:
        DataError: on all ranks, if the parts have different fields or cannot be read.
    """

    def __init__(self, store: Store, comm: Any, parted: bool = False) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm
        rank, size = comm.Get_rank(), comm.Get_size()
        own = _part(store, rank, size, parted)
        told = comm.allgather(own if isinstance(own, str) else _description(own))
        wrong = next((one for one in told if isinstance(one, str) or one[1:] != told[0][1:]), None)
        if wrong is not None or isinstance(own, str):
            reason = wrong if isinstance(wrong, str) else "the ranks hold different fields"
            raise DataError(f"store over {size} ranks: expected a part from each: {reason}")
        self._own = own.arrays()
        self.attrs = own.attrs
        self._kinds = {key: (array.dtype, array.shape[1:]) for key, array in self._own.items()}
        counts = [one[0] for one in told]
        self._first = np.r_[0, np.cumsum(counts)]
        pointers = comm.allgather((own.node_ptr, own.edge_ptr))
        self.node_ptr, self.edge_ptr = (
            np.r_[0, np.cumsum(np.concatenate([np.diff(one[place]) for one in pointers]))]
            for place in (0, 1)
        )
        shapes = comm.allgather({name: field.shapes for name, field in own.ragged.items()})
        self._shapes = {name: np.concatenate([one[name] for one in shapes]) for name in own.ragged}
        self._values_ptr = {
            name: np.r_[0, np.cumsum(all_.prod(axis=1))] for name, all_ in self._shapes.items()
        }
        self._windows = {
            key: MPI.Win.Create(np.ascontiguousarray(array).reshape(-1).view(np.uint8), comm=comm)
            for key, array in self._own.items()
            if key[0] not in ("ptr", "shapes")
        }
        atexit.register(self.close)  # MPI must not end before

    def close(self) -> None:
        """Give the memory back; all ranks do."""
        atexit.unregister(self.close)
        for window in self._windows.values():
            window.Free()
        self._windows = {}

    def _ptr(self, key: Key) -> NDArray[np.int64]:
        kind, name = key
        if kind == "values":
            values: NDArray[np.int64] = self._values_ptr[name]
            return values
        if kind == "graph":
            return np.arange(len(self) + 1)
        return self.node_ptr if kind == "node" else self.edge_ptr

    def subset(self, ids: ArrayLike) -> GraphStore:
        """As `Store.subset`."""
        ids = self._ids(ids)
        owners = np.searchsorted(self._first, ids, side="right") - 1
        arrays: dict[Key, Array] = {key: self._fetched(key, ids, owners) for key in self._windows}
        for name, shapes in self._shapes.items():
            arrays[("shapes", name)] = shapes[ids]
        for key, counts in zip(POINTERS, self.sizes(ids), strict=True):
            arrays[key] = np.r_[0, np.cumsum(counts)]
        return GraphStore.from_arrays(arrays, self.attrs)

    def _fetched(self, key: Key, ids: NDArray[np.int64], owners: NDArray[np.int64]) -> Array:
        """The rows of a column, one request per graph, all of an owner at once."""
        dtype, tail = self._kinds[key]
        ptr = self._ptr(key)
        row = dtype.itemsize * int(np.prod(tail, dtype=np.int64))
        counts = ptr[ids + 1] - ptr[ids]
        at = np.r_[0, np.cumsum(counts)] * row
        found = np.empty((int(counts.sum()), *tail), dtype)
        raw, window = found.reshape(-1).view(np.uint8), self._windows[key]
        for owner in np.unique(owners).tolist():
            window.Lock(owner, self._mpi.LOCK_SHARED)
            base = ptr[self._first[owner]]
            for place in np.flatnonzero(owners == owner).tolist():
                first, end = int(at[place]), int(at[place + 1])
                if end > first:
                    start = int(ptr[ids[place]] - base) * row
                    what = (start, end - first, self._mpi.BYTE)
                    window.Get([raw[first:end], self._mpi.BYTE], owner, what)
            window.Unlock(owner)
        return found


def _part(store: Store, rank: int, size: int, parted: bool) -> GraphStore | str:
    """This rank's graphs, or why there are none."""
    bounds = (
        (0, len(store)) if parted else (len(store) * rank // size, len(store) * (rank + 1) // size)
    )
    try:
        return store.subset(np.arange(*bounds))
    except HydriaError as err:
        return str(err)


def _description(store: GraphStore) -> tuple[int, list[tuple[Key, str, tuple[int, ...]]]]:
    fields = [(key, array.dtype.str, array.shape[1:]) for key, array in store.arrays().items()]
    return len(store), sorted(fields)
