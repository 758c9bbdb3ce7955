"""The columnar store of graphs: every field one contiguous array over the whole set.

Batches are cut out of it by a few vectorised gathers. The same columns live in memory or as a
folder of memory-mapped ``.npy`` files (see `hydria.data.folder`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError
from hydria.data import folder as folders
from hydria.graph.batch import GraphBatch

if TYPE_CHECKING:
    from torch_geometric.data import Data

Array = NDArray[Any]
Ids = NDArray[np.int64]
Columns = Mapping[str, Array]
Kind = Literal["node", "edge", "graph"]

SCHEMA_VERSION = 1
ENDS = ("edge_source", "edge_target")


class GraphStore:
    """Graphs as columns.

    Attributes:
        node: name -> (N, ...) over the nodes of all graphs (``x``, ``pos``, ``y.<name>``, ...).
        edge: name -> (E, ...), among them ``edge_source`` and ``edge_target`` (int32, counted
            within their graph; the edges of a graph are sorted by target).
        graph: name -> (G, ...) (``y.<name>``, ``cell``, ``pbc``, ...).
        node_ptr, edge_ptr: (G + 1,) int64 offsets.
        attrs: JSON-able facts: ``units`` by column, provenance, ``schema_version``, ...
    """

    def __init__(
        self,
        *,
        node: Columns,
        edge: Columns,
        graph: Columns,
        node_ptr: ArrayLike,
        edge_ptr: ArrayLike,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check the columns against the offsets and keep them without a copy.

        Raises:
            DataError: if lengths, offsets or names do not fit together.
        """
        # read-only, since the gathers are set up once
        self.node, self.edge, self.graph = (
            MappingProxyType(dict(columns)) for columns in (node, edge, graph)
        )
        self.node_ptr = np.asarray(node_ptr, dtype=np.int64)
        self.edge_ptr = np.asarray(edge_ptr, dtype=np.int64)
        self.attrs: dict[str, Any] = {**(attrs or {}), "schema_version": SCHEMA_VERSION}
        self._check()
        self._prepare_gathers()

    def _check(self) -> None:
        for name in ("node_ptr", "edge_ptr"):
            _check_offsets(name, getattr(self, name))
        if len(self.node_ptr) != len(self.edge_ptr):
            raise DataError(
                f"GraphStore: expected offsets of one length, got node_ptr {len(self.node_ptr)} "
                f"and edge_ptr {len(self.edge_ptr)}"
            )
        rows = {"node": self.node_ptr[-1], "edge": self.edge_ptr[-1], "graph": len(self)}
        seen: dict[str, str] = {}
        for kind, columns in self.columns().items():
            for name, column in columns.items():
                if column.ndim == 0 or len(column) != rows[kind]:
                    raise DataError(
                        f"GraphStore {kind} column {name!r}: expected {rows[kind]} rows, "
                        f"got shape {column.shape}"
                    )
                if name in seen:
                    raise DataError(
                        f"GraphStore column {name!r}: expected one kind, "
                        f"got {seen[name]} and {kind}"
                    )
                seen[name] = kind
        missing = [name for name in ENDS if name not in self.edge]
        if missing:
            raise DataError(f"GraphStore: expected edge columns {list(ENDS)}, missing {missing}")

    def _prepare_gathers(self) -> None:
        """Plain arrays for the gathers: a `memmap` pays for its subclass in every call."""
        self._node_columns = [(name, np.asarray(column)) for name, column in self.node.items()]
        self._graph_columns = [(name, np.asarray(column)) for name, column in self.graph.items()]
        self._edge_columns = [
            (name, np.asarray(column)) for name, column in self.edge.items() if name not in ENDS
        ]
        self._source, self._target = (np.asarray(self.edge[name]) for name in ENDS)

    def __len__(self) -> int:
        return len(self.node_ptr) - 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Read-only views cannot be pickled, their contents can."""
        fields: dict[str, Any] = {kind: dict(its) for kind, its in self.columns().items()}
        fields |= {"node_ptr": self.node_ptr, "edge_ptr": self.edge_ptr, "attrs": self.attrs}
        return _from_fields, (fields,)

    def __repr__(self) -> str:
        columns = {kind: sorted(names) for kind, names in self.columns().items()}
        return (
            f"GraphStore({len(self)} graphs, {self.node_ptr[-1]} nodes, "
            f"{self.edge_ptr[-1]} edges, {columns})"
        )

    def columns(self) -> dict[Kind, Columns]:
        """All columns by kind."""
        return {"node": self.node, "edge": self.edge, "graph": self.graph}

    def sizes(self, ids: ArrayLike | None = None) -> tuple[Ids, Ids]:
        """Nodes and edges of the graphs `ids` (default all), each (len(ids),)."""
        if ids is None:
            return np.diff(self.node_ptr), np.diff(self.edge_ptr)
        ids = self._ids(ids)
        return (
            self.node_ptr[ids + 1] - self.node_ptr[ids],
            self.edge_ptr[ids + 1] - self.edge_ptr[ids],
        )

    def _ids(self, ids: ArrayLike) -> Ids:
        """`ids` as int64 within range."""
        chosen = np.asarray(ids, dtype=np.int64)
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(self)):
            raise DataError(
                f"GraphStore: expected sample ids in [0, {len(self)}), "
                f"got {chosen.min()} to {chosen.max()}"
            )
        return chosen

    def batch(self, ids: ArrayLike) -> GraphBatch:
        """Cut out the graphs `ids`, in that order, as one batch.

        Args:
            ids: (G,) sample ids; may be empty.

        Raises:
            DataError: if an id is out of range.
        """
        ids = self._ids(ids)
        node_rows, node_counts, ptr = _rows(self.node_ptr, ids)
        edge_rows, edge_counts, _ = _rows(self.edge_ptr, ids)
        edge_index = np.empty((2, len(edge_rows)), dtype=np.int64)
        first_node = np.repeat(ptr[:-1], edge_counts)
        np.add(self._source.take(edge_rows), first_node, out=edge_index[0])
        np.add(self._target.take(edge_rows), first_node, out=edge_index[1])
        fields = {"edge_index": edge_index, "ptr": ptr}
        fields["batch"] = np.repeat(np.arange(len(ids)), node_counts)
        for rows, columns in (
            (node_rows, self._node_columns),
            (edge_rows, self._edge_columns),
            (ids, self._graph_columns),
        ):
            for name, column in columns:
                fields[name] = column.take(rows, axis=0)
        return GraphBatch({name: torch.from_numpy(value) for name, value in fields.items()})

    def __getitem__(self, index: int) -> Data:
        """Graph `index` as a ``torch_geometric`` sample (a copy).

        Graph-level fields keep a leading 1, so ``Batch.from_data_list`` concatenates them.
        """
        from torch_geometric.data import Data

        index = range(len(self))[index]
        batch = self.batch([index])
        fields = {name: batch[name] for name in batch if name not in ("batch", "ptr")}
        return Data(**fields, num_nodes=batch.num_nodes)

    def replace(
        self,
        *,
        node: Columns | None = None,
        edge: Columns | None = None,
        graph: Columns | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> GraphStore:
        """A store with columns and attributes exchanged or added; the others are shared."""
        return GraphStore(
            node={**self.node, **(node or {})},
            edge={**self.edge, **(edge or {})},
            graph={**self.graph, **(graph or {})},
            node_ptr=self.node_ptr,
            edge_ptr=self.edge_ptr,
            attrs={**self.attrs, **(attrs or {})},
        )

    def subset(self, ids: ArrayLike) -> GraphStore:
        """A store of its own with the graphs `ids`, in that order (the columns are copied)."""
        ids = self._ids(ids)
        node_rows, _, node_ptr = _rows(self.node_ptr, ids)
        edge_rows, _, edge_ptr = _rows(self.edge_ptr, ids)
        return GraphStore(
            node={name: column.take(node_rows, axis=0) for name, column in self.node.items()},
            edge={name: column.take(edge_rows, axis=0) for name, column in self.edge.items()},
            graph={name: column.take(ids, axis=0) for name, column in self.graph.items()},
            node_ptr=node_ptr,
            edge_ptr=edge_ptr,
            attrs=self.attrs,
        )

    def save(self, folder: Path | str) -> Path:
        """Write the store as a new folder, which appears whole or not at all.

        Raises:
            DataError: if `folder` exists already.
        """
        arrays: dict[tuple[str, str], Array] = {
            (kind, name): column
            for kind, columns in self.columns().items()
            for name, column in columns.items()
        }
        arrays |= {("ptr", "node_ptr"): self.node_ptr, ("ptr", "edge_ptr"): self.edge_ptr}
        return folders.write(Path(folder), arrays, self.attrs)

    @classmethod
    def open(cls, folder: Path | str, mmap: bool = True) -> GraphStore:
        """Open what `save` wrote.

        Args:
            folder: the folder of the store.
            mmap: map the columns (nothing is read until it is used) instead of loading them.

        Raises:
            DataError: if the folder is missing, foreign, damaged or of another schema version.
        """
        arrays, attrs = folders.read(Path(folder), mmap=mmap, schema_version=SCHEMA_VERSION)
        kinds: dict[str, dict[str, Array]] = {"node": {}, "edge": {}, "graph": {}, "ptr": {}}
        for (kind, name), array in arrays.items():
            kinds[kind][name] = array
        offsets = kinds.pop("ptr")
        try:
            return cls(**kinds, **offsets, attrs=attrs)  # type: ignore[arg-type]
        except (DataError, TypeError) as err:
            raise DataError(f"{folder}: the columns of this store do not fit: {err}") from err

    @classmethod
    def from_graphs(
        cls,
        graphs: Sequence[Mapping[str, ArrayLike]],
        kinds: Mapping[str, Kind],
        attrs: Mapping[str, Any] | None = None,
    ) -> GraphStore:
        """Concatenate graphs given one by one.

        Args:
            graphs: fields of each graph by name; all graphs have the same fields, among them
                ``edge_source`` and ``edge_target`` (in any order of edges).
            kinds: the kind of each field.
            attrs: facts to keep with the store.

        Raises:
            DataError: if there is no graph, or a graph lacks a field or has it in another shape.
        """
        from hydria.data.assemble import concatenate

        node, edge, graph, node_ptr, edge_ptr = concatenate(graphs, kinds)
        return cls(
            node=node, edge=edge, graph=graph, node_ptr=node_ptr, edge_ptr=edge_ptr, attrs=attrs
        )

    @classmethod
    def from_data_list(
        cls,
        samples: Iterable[Data],
        targets: Sequence[tuple[str, str, int]] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> GraphStore:
        """Take ``torch_geometric`` samples.

        Args:
            samples: any iterable of samples with the same attributes.
            targets: (name, "graph" or "node", dim) of each part of a packed ``y``, as
                ``y_loc`` delimits them; without it the parts are called 0, 1, ... and their
                kind is found by their lengths.
            attrs: facts to keep with the store.

        Raises:
            DataError: if samples disagree, or an attribute is neither of nodes, edges nor graphs.
        """
        from hydria.data.assemble import unpack_samples

        graphs, kinds = unpack_samples(list(samples), targets)
        return cls.from_graphs(graphs, kinds, attrs)


def _from_fields(fields: Mapping[str, Any]) -> GraphStore:
    return GraphStore(**fields)


def _check_offsets(name: str, offsets: Ids) -> None:
    if offsets.ndim != 1 or not len(offsets) or offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DataError(
            f"GraphStore {name}: expected a rising sequence that starts with 0, "
            f"got shape {offsets.shape} beginning {offsets.ravel()[:3].tolist()}"
        )


def _rows(ptr: Ids, ids: Ids) -> tuple[Ids, Ids, Ids]:
    """Row numbers (R,) of the graphs `ids`, rows per graph (G,), offsets among them (G + 1,)."""
    first = ptr.take(ids)
    counts = ptr.take(ids + 1) - first
    offsets = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    rows = np.repeat(first - offsets[:-1], counts)
    rows += np.arange(len(rows))
    return rows, counts, offsets
