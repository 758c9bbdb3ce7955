"""What is in a store, found piece by piece."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria.core.errors import DataError
from hydria.data.progress import Progress, silent
from hydria.data.store import ENDS, GraphStore, Store

BINS = 10
# where atomic numbers lie
NUMBERS = ("z", "atomic_numbers")
Array = NDArray[Any]


@dataclass
class FieldFacts:
    """A field of a store, over all graphs.

    Attributes:
        kind: node, edge, graph or ragged.
        dtype: its type.
        shape: of one row; -1 for each dimension of a ragged field.
        low, mean, high: over all values; None where there are none, or they are no real numbers.
        histogram: how many values lie in each of 10 equal steps from `low` to `high`.
    """

    kind: str
    dtype: str
    shape: tuple[int, ...]
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)


@dataclass
class StoreFacts:
    """What is in a store.

    Attributes:
        graphs, nodes, edges: how many there are.
        num_bytes: of all fields.
        node_range, edge_range: least, mean and greatest number in a graph.
        neighbours: least, mean and greatest number of edges that end at a node.
        most_neighbours: nodes with the greatest number: those whose neighbours were capped, if so.
        elements: atoms by atomic number; empty if the store does not tell them.
        fields: by name.
    """

    graphs: int
    nodes: int
    edges: int
    num_bytes: int
    node_range: tuple[int, float, int]
    edge_range: tuple[int, float, int]
    neighbours: tuple[int, float, int]
    most_neighbours: int
    elements: dict[int, int]
    fields: dict[str, FieldFacts]


def facts_about(store: Store, progress: Progress = silent) -> StoreFacts:
    """Look at all graphs of a store, twice: for the ranges of its fields and for the histograms.

    Raises:
        DataError: if there is no graph, or it cannot be read.
    """
    if not len(store):
        raise DataError("store: expected at least one graph, got none")
    fields: dict[str, FieldFacts] = {}
    sums: defaultdict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    elements: Counter[int] = Counter()
    degrees: Counter[int] = Counter()
    num_bytes = done = 0
    for piece in store.pieces():
        num_bytes += sum(array.nbytes for array in piece.arrays().values())
        for name, kind, values, shape in _values(piece):
            one = fields.setdefault(name, FieldFacts(kind, str(values.dtype), shape))
            if _is_real(values):
                low, high = float(values.min()), float(values.max())
                one.low = low if one.low is None else min(one.low, low)
                one.high = high if one.high is None else max(one.high, high)
                sums[name] += float(values.sum(dtype=np.float64))
                counts[name] += values.size
        elements.update(_elements(piece))
        degrees.update(_degrees(piece))
        done += len(piece)
        progress("ranges", done, len(store))
    for name, one in fields.items():
        one.mean = sums[name] / counts[name] if counts[name] else None
    _fill_histograms(store, fields, progress)
    nodes, edges = store.sizes()
    most = max(degrees, default=0)
    total, ends = int(nodes.sum()), int(edges.sum())
    return StoreFacts(
        graphs=len(store),
        nodes=total,
        edges=ends,
        num_bytes=num_bytes,
        node_range=_range(nodes),
        edge_range=_range(edges),
        neighbours=(min(degrees, default=0), ends / total if total else 0.0, most),
        most_neighbours=degrees[most],
        elements=dict(sorted(elements.items())),
        fields=fields,
    )


def _range(counts: NDArray[np.int64]) -> tuple[int, float, int]:
    return int(counts.min()), float(counts.mean()), int(counts.max())


def _values(piece: GraphStore) -> Iterator[tuple[str, str, Array, tuple[int, ...]]]:
    for kind, columns in piece.columns().items():
        for name, column in columns.items():
            if name not in ENDS:
                yield name, kind, column, column.shape[1:]
    for name, ragged in piece.ragged.items():
        yield name, "ragged", ragged.values, (-1,) * ragged.shapes.shape[1]


def _is_real(values: Array) -> bool:
    return values.size > 0 and values.dtype.kind in "biuf"


def _elements(piece: GraphStore) -> dict[int, int]:
    numbers = next((piece.node[name] for name in NUMBERS if name in piece.node), None)
    if numbers is None:
        return {}
    kinds, counts = np.unique(np.asarray(numbers).astype(np.int64), return_counts=True)
    return dict(zip(kinds.tolist(), counts.tolist(), strict=True))


def _degrees(piece: GraphStore) -> dict[int, int]:
    """Number of edges that end at a node → nodes."""
    first = np.repeat(piece.node_ptr[:-1], np.diff(piece.edge_ptr))
    nodes = int(piece.node_ptr[-1])
    degrees = np.bincount(piece.edge["edge_target"] + first, minlength=nodes)
    found, counts = np.unique(degrees, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _fill_histograms(store: Store, fields: dict[str, FieldFacts], progress: Progress) -> None:
    done = 0
    for piece in store.pieces():
        for name, _, values, _ in _values(piece):
            one = fields[name]
            if one.low is None or one.high is None or not _is_real(values):
                continue
            # of what is the same everywhere, or not finite, there is nothing to draw
            if one.high > one.low and np.isfinite([one.low, one.high]).all():
                counts = np.histogram(values.astype(np.float64), BINS, (one.low, one.high))[0]
                one.histogram = [a + int(b) for a, b in zip(one.histogram, counts, strict=True)]
        done += len(piece)
        progress("histograms", done, len(store))
