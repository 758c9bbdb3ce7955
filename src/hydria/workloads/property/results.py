"""Predictions on a split: gathered from all ranks, in the units of the data, judged and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hydria.config.spec import HeadSpec
from hydria.core.files import replace_atomically
from hydria.data.loaders import Part
from hydria.data.normalise import denormalise, denormalise_widths
from hydria.data.store import GraphStore
from hydria.runtime import collectives
from hydria.train.losses import deviation_of
from hydria.workloads.property.compositions import formulas, labels_of, symbols_of

Array = NDArray[Any]

WORDS = ("formula", "element", "config_type")


@dataclass(frozen=True)
class HeadTable:
    """Targets and predictions of one head, ordered by sample and node.

    Attributes:
        name, kind, unit: of the head.
        sample: (R,) sample ids.
        node: (R,) number of the node within its graph; -1 for graph heads.
        target, prediction: (R, dim).
        deviation: (R, dim) standard deviations that the model predicts with a Gaussian likelihood,
            else None.
    """

    name: str
    kind: str
    unit: str
    sample: Array
    node: Array
    target: Array
    prediction: Array
    deviation: Array | None = None


class Collector:
    """Keeps outputs and targets of every part it is called with."""

    def __init__(self, heads: Sequence[HeadSpec]) -> None:
        self.heads = heads
        self._rows: list[list[tuple[Array, ...]]] = [[] for _ in heads]

    def __call__(self, outputs: Sequence[Tensor], part: Part) -> None:
        """Take the outputs of one part; with a Gaussian likelihood, means and deviations."""
        graph = part.batch.batch.cpu().numpy()
        first = part.batch.ptr.cpu().numpy()[:-1]
        places = {
            "graph": (part.ids, np.full(len(part.ids), -1)),
            "node": (part.ids[graph], np.arange(len(graph)) - first[graph]),
        }
        for head, rows, output in zip(self.heads, self._rows, outputs, strict=True):
            values = [part.batch[f"y.{head.name}"], output[:, : head.dim]]
            if output.shape[1] > head.dim:
                values.append(deviation_of(output[:, head.dim :]))
            numbers = tuple(value.detach().double().cpu().numpy() for value in values)
            rows.append((*places[head.kind], *numbers))

    def gathered(self, attrs: Mapping[str, Any], in_units: bool) -> list[HeadTable]:
        """The tables of all heads on rank 0, elsewhere nothing; every rank must call it.

        Args:
            attrs: attributes of the store: scales and units by column.
            in_units: in the units of the data, else as the model sees them.
        """
        tables = []
        for head, rows in zip(self.heads, self._rows, strict=True):
            parts = collectives.gather_to_first(rows)
            flat = [row for part in parts for row in part]
            if flat:
                tables.append(_table(head, flat, attrs, in_units))
        return tables


def _table(
    head: HeadSpec, rows: list[tuple[Array, ...]], attrs: Mapping[str, Any], in_units: bool
) -> HeadTable:
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    sample, node, target, prediction, *deviation = (column[order] for column in columns)
    column = f"y.{head.name}"
    if in_units:
        target, prediction = (denormalise(attrs, column, v) for v in (target, prediction))
        deviation = [denormalise_widths(attrs, column, v) for v in deviation]
    unit = attrs.get("units", {}).get(column, "") if in_units else ""
    return HeadTable(head.name, head.kind, unit, sample, node, target, prediction, *deviation)


def score(table: HeadTable) -> dict[str, Any]:
    """Mean absolute error, root mean square error and R² over all elements of a head."""
    error = table.prediction - table.target
    spread = np.square(table.target - table.target.mean(axis=0)).sum()
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        # targets that are all the same have nothing to explain
        "r2": float(1 - np.square(error).sum() / spread) if spread > 0 else None,
        "n": int(error.size),
        "kind": table.kind,
        "unit": table.unit,
    }


def write_predictions(
    path: Path, tables: Sequence[HeadTable], store: GraphStore | None = None
) -> None:
    """Write one long table: head, kind, sample, node, component, target, prediction.

    With a Gaussian likelihood a column `deviation` follows, the predicted standard deviation.
    Where a store is given that has atomic numbers, `formula` of the structure and `element` of
    the node (empty for graph heads) follow; where the data says of what kind a structure is, so
    does `config_type`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    long = pa.concat_tables([pa.table(_long(table) | _atoms(table, store)) for table in tables])
    words = [
        "head",
        "kind",
        *(name for name in WORDS if name in long.schema.names),
    ]
    with replace_atomically(path) as temporary:
        pq.write_table(long, temporary, use_dictionary=words)


def _long(table: HeadTable) -> dict[str, Any]:
    rows, dim = table.target.shape
    size = rows * dim
    return {
        "head": [table.name] * size,
        "kind": [table.kind] * size,
        "sample": np.repeat(table.sample, dim),
        "node": np.repeat(table.node, dim),
        "component": np.tile(np.arange(dim), rows),
        "target": table.target.reshape(-1),
        "prediction": table.prediction.reshape(-1),
        **({} if table.deviation is None else {"deviation": table.deviation.reshape(-1)}),
    }


def _atoms(table: HeadTable, store: GraphStore | None) -> dict[str, Any]:
    if store is None or "z" not in store.node:
        return {}
    numbers = np.asarray(store.node["z"])
    dim = table.target.shape[1]
    samples, which = np.unique(table.sample, return_inverse=True)
    element = np.full(len(table.sample), "")
    if table.kind == "node":
        element = symbols_of(numbers[store.node_ptr[table.sample] + table.node])
    labels = labels_of(store, table.sample)
    return {
        "formula": np.repeat(formulas(store, samples)[which], dim),
        "element": np.repeat(element, dim),
        **({} if labels is None else {"config_type": np.repeat(labels, dim)}),
    }
