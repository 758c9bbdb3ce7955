"""From graphs one by one to columns: the border where samples are still looped over."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError
from hydria.data.store import Ragged, SampleKind

if TYPE_CHECKING:
    from torch_geometric.data import Data

log = logging.getLogger(__name__)

Array = NDArray[Any]
Kind = SampleKind
Graph = dict[str, Array]

# attributes whose kind does not depend on their length (a cell of three atoms is still a cell)
KNOWN_KINDS: dict[str, Kind] = {
    "x": "node",
    "pos": "node",
    "edge_source": "edge",
    "edge_target": "edge",
    "edge_attr": "edge",
    "edge_shifts": "edge",
    "unit_shifts": "edge",
    "cell": "graph",
    "pbc": "graph",
    "y_loc": "graph",
}
# what a sample holds beside its fields, or says in another way already
NOT_FIELDS = {"num_nodes", "batch", "ptr", "edge_index"}


def concatenate(
    graphs: Sequence[Mapping[str, ArrayLike]],
    kinds: Mapping[str, Kind],
    not_rows: Collection[str] | None = None,
) -> dict[str, Any]:
    """What a `GraphStore` of `graphs` is made of: its columns, ragged fields and offsets.

    Args:
        not_rows: graph fields that lack the leading 1 of a row; told by their shapes when left out.

    Edges are put in order of their target within each graph.

    Raises:
        DataError: if there is no graph, or a graph lacks a field or has it in another shape.
    """
    if not graphs:
        raise DataError("GraphStore: expected at least one graph, got none")
    fields = [{name: np.asarray(value) for name, value in graph.items()} for graph in graphs]
    _same_fields(fields, kinds)
    counts = {kind: _counts(fields, kinds, kind) for kind in ("node", "edge")}
    columns: dict[str, Graph] = {"node": {}, "edge": {}, "graph": {}}
    ragged = {}
    for name, kind in kinds.items():
        parts = [graph[name] for graph in fields]
        if kind == "ragged":
            ragged[name] = _ragged(name, parts)
            continue
        if kind == "graph":
            bare = not_rows is None or name in not_rows
            parts = [_as_graph_row(part) for part in parts] if bare else parts
        try:
            columns[kind][name] = np.concatenate(parts)
        except ValueError as err:
            raise DataError(f"field {name!r}: expected one shape in all graphs: {err}") from err
    node_ptr, edge_ptr = (np.r_[0, np.cumsum(counts[kind])] for kind in ("node", "edge"))
    columns["edge"] = _by_target(columns["edge"], node_ptr, edge_ptr)
    return {**columns, "ragged": ragged, "node_ptr": node_ptr, "edge_ptr": edge_ptr}


def _ragged(name: str, parts: Sequence[Array]) -> Ragged:
    if len({part.ndim for part in parts}) > 1:
        numbers = sorted({part.ndim for part in parts})
        raise DataError(
            f"field {name!r}: expected one number of dimensions in all graphs, got {numbers}"
        )
    shapes = np.array([part.shape for part in parts], dtype=np.int64).reshape(len(parts), -1)
    return Ragged(np.concatenate([part.reshape(-1) for part in parts]), shapes)


def _same_fields(graphs: Sequence[Graph], names: Mapping[str, Any]) -> None:
    for number, graph in enumerate(graphs):
        if graph.keys() != names.keys():
            different = sorted(graph.keys() ^ names.keys())
            raise DataError(
                f"graph {number}: expected the fields of the other graphs, differs in {different}"
            )


def _counts(fields: Sequence[Graph], kinds: Mapping[str, Kind], kind: str) -> Array:
    """Rows of each graph in the fields of `kind`, which must agree."""
    names = [name for name, its in kinds.items() if its == kind]
    if not names:
        raise DataError(f"GraphStore: expected at least one {kind} field, got none")
    counts = np.array([[len(graph[name]) for name in names] for graph in fields])
    wrong = np.flatnonzero((counts != counts[:, :1]).any(axis=1))
    if len(wrong):
        lengths = dict(zip(names, counts[wrong[0]].tolist(), strict=True))
        raise DataError(f"graph {wrong[0]}: expected {kind} fields of one length, got {lengths}")
    return counts[:, 0]


def _as_graph_row(value: Array) -> Array:
    """(1, ...): a leading 1 is the row already, a scalar is one component."""
    if value.ndim == 0:
        return value.reshape(1, 1)
    return value if _is_row(value.shape) else value[None]


def _is_row(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[0] == 1


def _by_target(edge: Graph, node_ptr: Array, edge_ptr: Array) -> Graph:
    counts = np.diff(edge_ptr)
    first_node = np.repeat(node_ptr[:-1], counts)
    nodes = np.repeat(np.diff(node_ptr), counts)
    for end in ("edge_source", "edge_target"):
        wrong = np.flatnonzero((edge[end] < 0) | (edge[end] >= nodes))
        if len(wrong):
            graph = int(np.searchsorted(edge_ptr, wrong[0], side="right")) - 1
            raise DataError(
                f"graph {graph}: expected {end} in [0, {nodes[wrong[0]]}), "
                f"got {edge[end][wrong[0]]}"
            )
        edge[end] = edge[end].astype(np.int32)
    target = edge["edge_target"] + first_node
    if (np.diff(target) >= 0).all():
        return edge
    order = np.argsort(target, kind="stable")
    return {name: column[order] for name, column in edge.items()}


def fields_of(number: int, sample: Data) -> Graph:
    """The numeric fields of a sample by name.

    Raises:
        DataError: if it has no edges.
    """
    if sample.edge_index is None:
        raise DataError(f"sample {number}: expected an edge_index, got none")
    source, target = np.asarray(sample.edge_index)
    fields: Graph = {"edge_source": source, "edge_target": target}
    for name, value in sample.to_dict().items():
        if name in NOT_FIELDS or value is None:
            continue
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            fields[name] = array
        elif number == 0:
            log.warning("samples: attribute %r is not numeric and is left out", name)
    return fields


@dataclass
class _Seen:
    """What the shapes of a field have been so far."""

    shape: tuple[int, ...]
    one_shape: bool = True
    one_tail: bool = True
    one_row: bool = True
    per_node: bool = True
    per_edge: bool = True

    def add(self, shape: tuple[int, ...], nodes: int, edges: int) -> None:
        rows = shape[0] if shape else -1
        self.one_shape &= shape == self.shape
        self.one_tail &= len(shape) == len(self.shape) and shape[1:] == self.shape[1:]
        self.one_row &= rows == 1
        self.per_node &= rows == nodes
        self.per_edge &= rows == edges


class KindFinder:
    """Tells the kinds of the fields of samples that are shown to it one by one."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._count = 0

    def see(self, fields: Mapping[str, Array], nodes: int | None) -> None:
        """Take the shapes of one more sample into account.

        Raises:
            DataError: if it has other fields than those before.
        """
        if self._count and fields.keys() != self._seen.keys():
            different = sorted(fields.keys() ^ self._seen.keys())
            raise DataError(
                f"graph {self._count}: expected the fields of the other graphs, differs in "
                f"{different}"
            )
        for name, value in fields.items():
            seen = self._seen.setdefault(name, _Seen(value.shape))
            seen.add(value.shape, nodes or 0, len(fields["edge_source"]))
        self._count += 1

    def sample_shapes(self) -> dict[str, list[int]]:
        """The shapes of those graph fields that lack the leading 1 of a row."""
        return {
            name: list(seen.shape)
            for name, seen in self._seen.items()
            if self._kind(name, seen) == "graph" and not _is_row(seen.shape)
        }

    def kinds(self) -> dict[str, Kind]:
        """The kind of each field."""
        return {name: self._kind(name, seen) for name, seen in self._seen.items()}

    def _kind(self, name: str, seen: _Seen) -> Kind:
        """The kind whose count the lengths follow; a graph field has one shape everywhere."""
        if name in KNOWN_KINDS:
            return KNOWN_KINDS[name]
        if name == "y" and "y_loc" in self._seen:
            return "ragged"
        if seen.one_tail and seen.per_node and not seen.one_row and not name.startswith("edge_"):
            return "node"
        if seen.one_tail and seen.per_edge and (name.startswith("edge_") or not seen.one_shape):
            return "edge"
        return "graph" if seen.one_shape else "ragged"


def unpacked(
    y: Ragged, y_loc: Array, targets: Iterable[tuple[str, str, int]], nodes: Array
) -> tuple[Graph, Graph]:
    """The node and graph columns ``y.<name>`` that a packed ``y`` holds.

    Args:
        y: all targets of each graph, one after the other.
        y_loc: (G, T + 1) where each target begins in its graph, and where the last one ends.
        targets: name, kind ("graph" or "node") and number of columns of each target.
        nodes: (G,) nodes of each graph.

    Raises:
        DataError: if a target has another size.
    """
    targets = tuple(targets)
    if y_loc.shape[1] != len(targets) + 1:
        raise DataError(f"y_loc: expected {len(targets)} targets, got {y_loc.shape[1] - 1}")
    bad = (y_loc[:, 0] != 0) | (y_loc[:, -1] != np.diff(y.ptr())) | (np.diff(y_loc) < 0).any(axis=1)
    if bad.any():
        number = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"sample {number}: expected y_loc to rise from 0 to {np.diff(y.ptr())[number]}, "
            f"got {y_loc[number].tolist()}"
        )
    columns: dict[str, Graph] = {"node": {}, "graph": {}}
    for place, (name, kind, dim) in enumerate(targets):
        counts = y_loc[:, place + 1] - y_loc[:, place]
        expected = nodes * dim if kind == "node" else np.full_like(nodes, dim)
        wrong = np.flatnonzero(counts != expected)
        if len(wrong):
            raise DataError(
                f"sample {wrong[0]}, target {name!r}: expected {expected[wrong[0]]} values, "
                f"got {counts[wrong[0]]}"
            )
        ends = np.cumsum(counts)
        first = y.ptr()[:-1] + y_loc[:, place]
        rows = np.repeat(first - (ends - counts), counts) + np.arange(counts.sum())
        columns[kind][f"y.{name}"] = y.values[rows].reshape(-1, dim)
    return columns["node"], columns["graph"]
