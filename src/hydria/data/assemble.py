"""From graphs one by one to columns: the border where samples are still looped over."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError

if TYPE_CHECKING:
    from torch_geometric.data import Data

log = logging.getLogger(__name__)

Array = NDArray[Any]
Kind = Literal["node", "edge", "graph"]
Graph = dict[str, Array]
Target = tuple[str, str, int]

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
}
# what a sample holds beside its fields, or says in another way already
NOT_FIELDS = {"num_nodes", "batch", "ptr", "edge_index", "y", "y_loc"}


def concatenate(
    graphs: Sequence[Mapping[str, ArrayLike]], kinds: Mapping[str, Kind]
) -> tuple[Graph, Graph, Graph, Array, Array]:
    """Columns of `graphs`: node, edge and graph columns, node and edge offsets.

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
    for name, kind in kinds.items():
        parts = [graph[name] for graph in fields]
        if kind == "graph":
            parts = [_as_graph_row(part) for part in parts]
        try:
            columns[kind][name] = np.concatenate(parts)
        except ValueError as err:
            raise DataError(f"field {name!r}: expected one shape in all graphs: {err}") from err
    node_ptr, edge_ptr = (np.r_[0, np.cumsum(counts[kind])] for kind in ("node", "edge"))
    edge = _by_target(columns["edge"], node_ptr, edge_ptr)
    return columns["node"], edge, columns["graph"], node_ptr, edge_ptr


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
    return value if value.ndim > 1 and len(value) == 1 else value[None]


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


def unpack_samples(
    samples: Sequence[Data], targets: Sequence[Target] | None
) -> tuple[list[Graph], dict[str, Kind]]:
    """Fields and kinds of ``torch_geometric`` samples.

    Raises:
        DataError: if samples disagree, or an attribute is neither of nodes, edges nor graphs.
    """
    if not samples:
        raise DataError("GraphStore: expected at least one sample, got none")
    graphs = [_fields(number, sample) for number, sample in enumerate(samples)]
    _same_fields(graphs, graphs[0])
    sizes = np.array(
        [
            (sample.num_nodes, len(graph["edge_source"]))
            for sample, graph in zip(samples, graphs, strict=True)
        ]
    )
    kinds: dict[str, Kind] = {}
    for name in graphs[0]:
        kinds[name] = KNOWN_KINDS.get(name) or _kind(name, graphs, sizes)
    if any("y" in sample for sample in samples):
        kinds |= _unpack_targets(samples, graphs, sizes, targets)
    return graphs, kinds


def _fields(number: int, sample: Data) -> Graph:
    if sample.edge_index is None:
        raise DataError(f"sample {number}: expected an edge_index, got none")
    source, target = np.asarray(sample.edge_index)
    fields: Graph = {"edge_source": source, "edge_target": target}
    for name, value in sample.to_dict().items():
        if name in NOT_FIELDS or value is None:
            continue
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            fields[name] = array
        elif number == 0:
            log.warning("samples: attribute %r is not numeric and is left out", name)
    return fields


def _kind(name: str, graphs: Sequence[Graph], sizes: Array) -> Kind:
    """The kind whose count the lengths follow; a graph field has one shape everywhere."""
    shapes = [graph[name].shape if name in graph else None for graph in graphs]
    rows = np.array([shape[0] if shape else -1 for shape in shapes])
    if name.startswith("edge_") or not (rows == sizes[:, 0]).all():
        if (rows == sizes[:, 1]).all():
            return "edge"
        if len(set(shapes)) == 1:
            return "graph"
    elif not (rows == 1).all():
        return "node"
    else:
        return "graph"
    raise DataError(
        f"attribute {name!r}: expected one row per node or per edge, or one shape in all samples, "
        f"got shapes like {shapes[:3]} for (nodes, edges) {sizes[:3].tolist()}"
    )


def _unpack_targets(
    samples: Sequence[Data],
    graphs: Sequence[Graph],
    sizes: Array,
    targets: Sequence[Target] | None,
) -> dict[str, Kind]:
    """Cut every packed ``y`` into the fields ``y.<name>`` of `graphs`; their kinds."""
    parts = [_cut(number, sample) for number, sample in enumerate(samples)]
    found = {len(part) for part in parts}
    if len(found) > 1 or (targets is not None and found != {len(targets)}):
        expected = len(targets) if targets is not None else "one number of"
        raise DataError(f"y: expected {expected} targets in every sample, got {sorted(found)}")
    if targets is None:
        lengths = np.array([[len(piece) for piece in part] for part in parts])
        targets = [_guess(str(k), lengths[:, k], sizes[:, 0]) for k in range(lengths.shape[1])]
    for number, (graph, part) in enumerate(zip(graphs, parts, strict=True)):
        for (name, kind, dim), piece in zip(targets, part, strict=True):
            rows = sizes[number, 0] if kind == "node" else 1
            if len(piece) != rows * dim:
                raise DataError(
                    f"sample {number}, target {name!r}: expected {rows} × {dim} values, "
                    f"got {len(piece)}"
                )
            graph[f"y.{name}"] = piece.reshape(rows, dim)
    return {f"y.{name}": "node" if kind == "node" else "graph" for name, kind, _ in targets}


def _cut(number: int, sample: Data) -> list[Array]:
    if sample.y is None:
        raise DataError(f"sample {number}: expected a y as in the other samples, got none")
    values = np.asarray(sample.y).reshape(-1)
    if getattr(sample, "y_loc", None) is None:
        return [values]
    offsets = np.asarray(sample.y_loc, dtype=np.int64).reshape(-1)
    if offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
        raise DataError(
            f"sample {number}: expected y_loc to rise from 0 to {len(values)}, "
            f"got {offsets.tolist()}"
        )
    return np.split(values, offsets[1:-1])


def _guess(name: str, lengths: Array, nodes: Array) -> Target:
    """A target of constant length is the graph's, unless the number of nodes is constant too."""
    dim = int(lengths[0] // max(nodes[0], 1))
    per_node = dim > 0 and bool((lengths == dim * nodes).all())
    if per_node and not (nodes == 1).all():
        return name, "node", dim
    return name, "graph", int(lengths[0])
