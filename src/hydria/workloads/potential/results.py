"""Errors of a potential as people report them: meV/atom, meV/Å and GPa, by element and by kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from hydria.data.loaders import Part
from hydria.data.store import GraphStore
from hydria.graph.derivatives import PotentialOutputs, voigt
from hydria.runtime import collectives
from hydria.workloads.property.compositions import labels_of, symbols_of
from hydria.workloads.property.results import HeadTable, score

Array = NDArray[Any]

ENERGY, FORCES, STRESS = "energy_per_atom", "forces", "stress"
KINDS = {ENERGY: "graph", FORCES: "node", STRESS: "graph"}
UNITS = {ENERGY: "meV/atom", FORCES: "meV/Å", STRESS: "GPa"}
MEV = 1e3
# below it (eV/Å) a force has no direction worth comparing
LEAST_FORCE = 1e-3


class PotentialCollector:
    """Keeps targets and predictions of every part it is called with, in the units of reports."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store
        columns = {**store.node, **store.graph}
        self.heads = [name for name in (ENERGY, FORCES, STRESS) if COLUMN[name] in columns]
        self._rows: dict[str, list[tuple[Array, ...]]] = {name: [] for name in self.heads}

    def __call__(self, outputs: PotentialOutputs, part: Part) -> None:
        """Take the outputs of one part."""
        graph = part.batch.batch.cpu().numpy()
        first = part.batch.ptr.cpu().numpy()[:-1]
        places = {
            "graph": (part.ids, np.full(len(part.ids), -1)),
            "node": (part.ids[graph], np.arange(len(graph)) - first[graph]),
        }
        for name in self.heads:
            target, prediction = VALUES[name](outputs, part.batch)
            self._rows[name].append((*places[KINDS[name]], target, prediction))

    def tables(self) -> list[HeadTable]:
        """The tables on rank 0, elsewhere nothing; every rank must call it."""
        tables = []
        for name, rows in self._rows.items():
            flat = [row for part in collectives.gather_to_first(rows) for row in part]
            if not flat:
                continue
            sample, node, target, prediction = (
                np.concatenate(column) for column in zip(*flat, strict=True)
            )
            order = np.lexsort((node, sample))
            columns = (column[order] for column in (sample, node, target, prediction))
            tables.append(HeadTable(name, KINDS[name], UNITS[name], *columns))
        return tables


def _energies(outputs: PotentialOutputs, batch: Any) -> tuple[Array, Array]:
    atoms = batch.ptr.diff().cpu().numpy()[:, None]
    target, prediction = _numbers(batch.energy), _numbers(outputs.energy)[:, None]
    return target / atoms * MEV, prediction / atoms * MEV


def _forces(outputs: PotentialOutputs, batch: Any) -> tuple[Array, Array]:
    return _numbers(batch.forces) * MEV, _numbers(outputs.forces) * MEV


def _stress(outputs: PotentialOutputs, batch: Any) -> tuple[Array, Array]:
    assert outputs.stress is not None
    return _numbers(batch.stress) / GPa, _numbers(voigt(outputs.stress)) / GPa


def _numbers(values: Any) -> Array:
    found: Array = values.detach().double().cpu().numpy()
    return found


COLUMN = {ENERGY: "energy", FORCES: "forces", STRESS: "stress"}
VALUES: dict[str, Callable[[PotentialOutputs, Any], tuple[Array, Array]]] = {
    ENERGY: _energies,
    FORCES: _forces,
    STRESS: _stress,
}


def judge(table: HeadTable, store: GraphStore) -> dict[str, Any]:
    """Errors over all, by kind of structure where the data says it, and of forces by element."""
    found = score(table)
    labels = labels_of(store, table.sample)
    if labels is not None:
        found["by_config_type"] = _by_group(table, labels)
    if table.name == FORCES:
        found["cosine"] = cosine(table)
        numbers = np.asarray(store.node["z"])[store.node_ptr[table.sample] + table.node]
        found["by_element"] = _by_group(table, symbols_of(numbers))
    return found


def cosine(table: HeadTable) -> float | None:
    """Mean cosine of the angle between forces and their targets, where these are not zero."""
    target, prediction = table.target / MEV, table.prediction / MEV
    lengths = np.linalg.norm(target, axis=1)
    there = lengths > LEAST_FORCE
    if not there.any():
        return None
    products = (target * prediction).sum(axis=1)[there]
    others = np.linalg.norm(prediction, axis=1)[there]
    return float((products / (lengths[there] * np.maximum(others, 1e-12))).mean())


def _by_group(table: HeadTable, labels: Array) -> dict[str, dict[str, Any]]:
    error = table.prediction - table.target
    return {
        str(label): {
            "mae": float(np.abs(error[labels == label]).mean()),
            "rmse": float(np.sqrt(np.square(error[labels == label]).mean())),
            "n": int(error[labels == label].size),
        }
        for label in np.unique(labels)
    }
