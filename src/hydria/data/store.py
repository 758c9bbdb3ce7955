"""The columnar store of graphs: every field one contiguous array over the whole set.

Batches are cut out of it by a few vectorised gathers. The same columns live in memory, in shared
memory, and in the files of `hydria.data.stores`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError
from hydria.graph.batch import GraphBatch

if TYPE_CHECKING:
    from torch_geometric.data import Data

Array = NDArray[Any]
Ids = NDArray[np.int64]
Columns = Mapping[str, Array]
Kind = Literal["node", "edge", "graph"]
SampleKind = Literal["node", "edge", "graph", "ragged"]

Arrays = dict[tuple[str, str], Array]

SCHEMA_VERSION = 2
ENDS = ("edge_source", "edge_target")
KINDS = ("node", "edge", "graph", "values", "shapes", "ptr")
# nodes and edges of a piece: some tens of MB
PIECE_ROWS = 2**19


class Store(ABC):
    """Graphs that are asked for by number, wherever they are kept.

    Attributes:
        node_ptr, edge_ptr: (G + 1,) int64 offsets of the nodes and edges of each graph.
        attrs: JSON-able facts: ``units`` by column, provenance, ``schema_version``, ...
    """

    node_ptr: Ids
    edge_ptr: Ids
    attrs: dict[str, Any]

    @abstractmethod
    def subset(self, ids: ArrayLike) -> GraphStore:
        """The graphs `ids`, in that order, in memory.

        Raises:
            DataError: if an id is out of range, or they cannot be read.
        """

    def __len__(self) -> int:
        return len(self.node_ptr) - 1

    def batch(self, ids: ArrayLike) -> GraphBatch:
        """Cut out the graphs `ids`, in that order, as one batch.

        Args:
            ids: (G,) sample ids; may be empty.

        Raises:
            DataError: if an id is out of range.
        """
        found = self.subset(ids)
        return found.batch(np.arange(len(found)))

    def __getitem__(self, index: int) -> Data:
        """Graph `index` as a ``torch_geometric`` sample (a copy)."""
        return self.subset([range(len(self))[index]])[0]

    def sizes(self, ids: ArrayLike | None = None) -> tuple[Ids, Ids]:
        """Nodes and edges of the graphs `ids` (default all), each (len(ids),)."""
        if ids is None:
            return np.diff(self.node_ptr), np.diff(self.edge_ptr)
        ids = self._ids(ids)
        return (
            self.node_ptr[ids + 1] - self.node_ptr[ids],
            self.edge_ptr[ids + 1] - self.edge_ptr[ids],
        )

    def pieces(self, rows: int = PIECE_ROWS) -> Iterator[GraphStore]:
        """All graphs in their order, in pieces of about `rows` nodes and edges; at least one."""
        for first, end in cuts(self.node_ptr + self.edge_ptr, rows):
            yield self._piece(first, end)

    def _piece(self, first: int, end: int) -> GraphStore:
        return self.subset(np.arange(first, end))

    def _ids(self, ids: ArrayLike) -> Ids:
        """`ids` as int64 within range."""
        chosen = np.asarray(ids, dtype=np.int64)
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(self)):
            raise DataError(
                f"GraphStore: expected sample ids in [0, {len(self)}), "
                f"got {chosen.min()} to {chosen.max()}"
            )
        return chosen


def cuts(ptr: Ids, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of graphs with at most `rows` rows each, or one graph; an empty one for no graph."""
    first, last = 0, len(ptr) - 1
    if not last:
        yield 0, 0
    while first < last:
        end = int(np.searchsorted(ptr, ptr[first] + rows, side="right")) - 1
        end = min(max(end, first + 1), last)
        yield first, end
        first = end


class Ragged(NamedTuple):
    """A field with several varying dimensions, or one that neither nodes nor edges set.

    Attributes:
        values: (V,) the values of all graphs, one after the other.
        shapes: (G, d) int64, the shape in each graph.
    """

    values: Array
    shapes: Ids

    def ptr(self) -> Ids:
        """(G + 1,) offsets among the values."""
        ptr = np.zeros(len(self.shapes) + 1, dtype=np.int64)
        np.cumsum(self.shapes.prod(axis=1), out=ptr[1:])
        return ptr


class GraphStore(Store):
    """Graphs as columns.

    Attributes:
        node: name -> (N, ...) over the nodes of all graphs (``x``, ``pos``, ``y.<name>``, ...).
        edge: name -> (E, ...), among them ``edge_source`` and ``edge_target`` (int32, counted
            within their graph; the edges of a graph are sorted by target).
        graph: name -> (G, ...) (``y.<name>``, ``cell``, ``pbc``, ...).
        ragged: name -> fields of other shapes; samples have them, batches do not.
        node_ptr, edge_ptr: (G + 1,) int64 offsets.
        attrs: JSON-able facts: ``units`` by column, provenance, ``schema_version``, and
            ``sample_shapes``, the shape that a graph field has in a sample when it is not (1, ...).
    """

    def __init__(
        self,
        *,
        node: Columns,
        edge: Columns,
        graph: Columns,
        node_ptr: ArrayLike,
        edge_ptr: ArrayLike,
        ragged: Mapping[str, Ragged] | None = None,
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
        self.ragged = MappingProxyType(dict(ragged or {}))
        self._ragged_ptr = {name: field.ptr() for name, field in self.ragged.items()}
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
        for name, field in self.ragged.items():
            if field.shapes.ndim != 2 or len(field.shapes) != len(self):
                raise DataError(
                    f"GraphStore ragged field {name!r}: expected {len(self)} shapes, "
                    f"got an array of shape {field.shapes.shape}"
                )
            if field.values.shape != (self._ragged_ptr[name][-1],) or name in seen:
                raise DataError(
                    f"GraphStore ragged field {name!r}: expected {self._ragged_ptr[name][-1]} "
                    f"values and a name of its own, got shape {field.values.shape}"
                )
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Read-only views cannot be pickled, their contents can."""
        fields: dict[str, Any] = {kind: dict(its) for kind, its in self.columns().items()}
        fields |= {"node_ptr": self.node_ptr, "edge_ptr": self.edge_ptr, "attrs": self.attrs}
        fields["ragged"] = dict(self.ragged)
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

    def batch(self, ids: ArrayLike) -> GraphBatch:
        """As `Store.batch`."""
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

        Graph-level fields keep a leading 1, so ``Batch.from_data_list`` concatenates them, unless
        the store was made of samples without it.
        """
        from torch_geometric.data import Data

        index = range(len(self))[index]
        batch = self.batch([index])
        fields = {name: batch[name] for name in batch if name not in ("batch", "ptr")}
        for name, shape in self.attrs.get("sample_shapes", {}).items():
            fields[name] = fields[name].reshape(shape)
        for name, ragged in self.ragged.items():
            first, end = self._ragged_ptr[name][index : index + 2]
            values = np.array(ragged.values[first:end])
            fields[name] = torch.from_numpy(values.reshape(ragged.shapes[index]))
        if "x" not in fields and "pos" not in fields:  # from which it would be told
            return Data(**fields, num_nodes=batch.num_nodes)
        return Data(**fields)

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
            ragged=self.ragged,
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
            ragged={name: self._ragged(name, ids) for name in self.ragged},
            attrs=self.attrs,
        )

    def _ragged(self, name: str, ids: Ids) -> Ragged:
        rows, _, _ = _rows(self._ragged_ptr[name], ids)
        values, shapes = self.ragged[name]
        return Ragged(values.take(rows), shapes.take(ids, axis=0))

    def _piece(self, first: int, end: int) -> GraphStore:
        """The same as a subset, but nothing is copied."""
        nodes, edges = (slice(*ptr[[first, end]]) for ptr in (self.node_ptr, self.edge_ptr))
        ragged = {}
        for name, (values, shapes) in self.ragged.items():
            rows = slice(*self._ragged_ptr[name][[first, end]])
            ragged[name] = Ragged(values[rows], shapes[first:end])
        return GraphStore(
            node={name: column[nodes] for name, column in self.node.items()},
            edge={name: column[edges] for name, column in self.edge.items()},
            graph={name: column[first:end] for name, column in self.graph.items()},
            node_ptr=self.node_ptr[first : end + 1] - self.node_ptr[first],
            edge_ptr=self.edge_ptr[first : end + 1] - self.edge_ptr[first],
            ragged=ragged,
            attrs=self.attrs,
        )

    def arrays(self) -> Arrays:
        """All that is to be written beside the attributes: (kind, name) -> array."""
        arrays: Arrays = {
            (kind, name): column
            for kind, columns in self.columns().items()
            for name, column in columns.items()
        }
        for name, ragged in self.ragged.items():
            arrays |= {("values", name): ragged.values, ("shapes", name): ragged.shapes}
        return arrays | {("ptr", "node_ptr"): self.node_ptr, ("ptr", "edge_ptr"): self.edge_ptr}

    @classmethod
    def from_arrays(cls, arrays: Mapping[tuple[str, str], Array], attrs: Any) -> GraphStore:
        """The store whose `arrays` were written.

        Raises:
            DataError: if they do not fit together.
        """
        kinds: dict[str, dict[str, Array]] = {kind: {} for kind in KINDS}
        for (kind, name), array in arrays.items():
            kinds.setdefault(kind, {})[name] = array
        values, shapes, offsets = (kinds.pop(kind) for kind in ("values", "shapes", "ptr"))
        try:
            ragged = {name: Ragged(values[name], shapes[name]) for name in values}
            return cls(**kinds, **offsets, ragged=ragged, attrs=attrs)  # type: ignore[arg-type]
        except (KeyError, TypeError) as err:
            raise DataError(f"GraphStore: expected arrays of a store: {err}") from err

    def save(self, folder: Path | str) -> Path:
        """Write the store as a new folder, which appears whole or not at all.

        Raises:
            DataError: if `folder` exists already.
        """
        from hydria.data.stores.folder import FolderWriter

        folder = Path(folder)
        with FolderWriter(folder) as writer:
            writer.append(self)
        return folder

    @classmethod
    def open(cls, folder: Path | str, mmap: bool = True) -> GraphStore:
        """Open what `save` wrote.

        Args:
            folder: the folder of the store.
            mmap: map the columns (nothing is read until it is used) instead of loading them.

        Raises:
            DataError: if the folder is missing, foreign, damaged or of another schema version.
        """
        from hydria.data.stores.folder import open_folder

        return open_folder(Path(folder), mmap=mmap)

    @classmethod
    def from_graphs(
        cls,
        graphs: Sequence[Mapping[str, ArrayLike]],
        kinds: Mapping[str, SampleKind],
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

        return cls(**concatenate(graphs, kinds), attrs=attrs)

    @classmethod
    def from_data_list(
        cls,
        samples: Iterable[Data],
        kinds: Mapping[str, SampleKind] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> GraphStore:
        """Take ``torch_geometric`` samples with all their numeric attributes.

        Args:
            samples: any iterable of samples with the same attributes.
            kinds: of the attributes, with their ``sample_shapes`` in `attrs`; found by the
                lengths of the attributes when left out.
            attrs: facts to keep with the store.

        Raises:
            DataError: if there is no sample, or samples disagree.
        """
        from hydria.data.assemble import KindFinder, concatenate, fields_of

        given, finder, graphs = dict(attrs or {}), KindFinder(), []
        for number, sample in enumerate(samples):
            graphs.append(fields_of(number, sample))
            finder.see(graphs[-1], sample.num_nodes)
        if kinds is None:
            kinds, shapes = finder.kinds(), finder.sample_shapes()
            given |= {"sample_shapes": shapes} if shapes else {}
        return cls(**concatenate(graphs, kinds, given.get("sample_shapes", ())), attrs=given)

    def unpacked(self, targets: Iterable[tuple[str, str, int]]) -> GraphStore:
        """The store with a packed ``y`` cut into columns ``y.<name>``, as ``y_loc`` delimits them.

        Args:
            targets: (name, "graph" or "node", number of columns) of each part, in order.

        Raises:
            DataError: if there is no packed ``y``, or a part has another size.
        """
        from hydria.data.assemble import unpacked

        if "y" not in self.ragged or "y_loc" not in self.graph:
            raise DataError("GraphStore: expected a packed y with y_loc, got none")
        y_loc = self.graph["y_loc"].reshape(len(self), -1)
        node, graph = unpacked(self.ragged["y"], y_loc, targets, self.sizes()[0])
        return self.replace(node=node, graph=graph)


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
