"""Energies, forces and stress of the structures in files: extended XYZ in, extended XYZ out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa
from numpy.typing import NDArray

from hydria.core.errors import DataError
from hydria.core.files import replace_atomically
from hydria.data.formats.through_ase import load_frames
from hydria.data.structures import pointers
from hydria.graph.batch import GraphBatch
from hydria.graph.derivatives import VOIGT
from hydria.graph.neighbors import radius_graphs
from hydria.potential.evaluate import Evaluator
from hydria.workloads.potential.results import ENERGY, FORCES, KINDS, MEV, STRESS, UNITS
from hydria.workloads.property.results import HeadTable, score

Array = NDArray[Any]

# atoms that are computed at a time
BATCH_ATOMS = 2048
REFERENCE = "reference_"


@dataclass(frozen=True)
class Predicted:
    """What came of it.

    Attributes:
        frames: the structures with energy, forces and stress of the potential.
        names: of the frames: `file` or `file#frame`.
        results: errors where the files have energies, forces or stress; as in `results.json`.
        path: the file they were written to.
    """

    frames: list[Atoms]
    names: tuple[str, ...]
    results: dict[str, Any]
    path: Path


def predict_frames(
    evaluator: Evaluator,
    files: Sequence[Path],
    out: Path,
    *,
    branch: int = 0,
    allow_unseen_elements: bool = False,
) -> Predicted:
    """Predict the structures in `files` and write them, in their order, to `out`.

    What the files say of energy, forces and stress stays beside the predictions as
    `reference_energy`, `reference_forces` and `reference_stress`.

    Args:
        evaluator: the potential.
        files: anything that ASE reads; a frame or several each.
        out: extended XYZ.
        branch: of a potential trained on several data sets, the one to use.
        allow_unseen_elements: compute elements that were not in the training set, too.

    Raises:
        HydriaError: if a file cannot be read, or holds other elements.
    """
    names, frames = _read(files)
    if not allow_unseen_elements:
        evaluator.check_elements(np.concatenate([frame.numbers for frame in frames]))
    told = [_told(frame) for frame in frames]
    predicted: list[Atoms] = []
    for first, last in _portions(frames, evaluator.most_structures):
        predicted += _predicted(evaluator, frames[first:last], branch)
    with replace_atomically(out) as temporary:
        ase.io.write(temporary, predicted, format="extxyz")
    heads = {
        name: score(table)
        for name in (ENERGY, FORCES, STRESS)
        if (table := _table(name, predicted, told)) is not None
    }
    return Predicted(predicted, names, {"heads": heads} if heads else {}, out)


def batch_of(
    frames: Sequence[Atoms], cutoff: float, max_neighbours: int | None = None, branch: int = 0
) -> GraphBatch:
    """The batch of some structures, in float64, with neighbours over all periodic axes.

    Args:
        frames: the structures.
        cutoff: of the neighbours, Å.
        max_neighbours: the most of them that an atom has.
        branch: the data set whose heads are used.
    """
    ptr = pointers([len(frame) for frame in frames])
    pos = np.concatenate([frame.positions for frame in frames])
    cells = np.array([frame.cell.array for frame in frames])
    pbc = np.array([frame.pbc for frame in frames])
    edges = radius_graphs(pos, ptr, cells, pbc, cutoff=cutoff, max_neighbours=max_neighbours)
    first = np.repeat(ptr[:-1], np.diff(edges.edge_ptr))
    fields = {
        "pos": pos,
        "cell": cells,
        "z": np.concatenate([frame.numbers for frame in frames]),
        "edge_index": np.stack([edges.source + first, edges.target + first]),
        "edge_shifts": edges.edge_shifts,
        "batch": np.repeat(np.arange(len(frames)), np.diff(ptr)),
        "ptr": ptr,
        "dataset_name": np.full((len(frames), 1), branch),
    }
    return GraphBatch({name: torch.as_tensor(value) for name, value in fields.items()})


def _read(files: Sequence[Path]) -> tuple[tuple[str, ...], list[Atoms]]:
    names: list[str] = []
    frames: list[Atoms] = []
    for file in files:
        if not file.exists():
            raise DataError(f"{file}: expected structures, got nothing there")
        found = load_frames(file, None)
        single = len(found) == 1
        names += [file.name if single else f"{file.name}#{i}" for i in range(len(found))]
        frames += found
    return tuple(names), frames


def _portions(frames: Sequence[Atoms], most: int | None) -> list[tuple[int, int]]:
    """Ranges of frames of about `BATCH_ATOMS` atoms, all or none of them with stress."""
    if most == 1:
        return [(place, place + 1) for place in range(len(frames))]
    bounds, atoms = [0], 0
    for place, frame in enumerate(frames):
        other = place > bounds[-1] and frame.pbc.all() != frames[place - 1].pbc.all()
        if place > bounds[-1] and (other or atoms + len(frame) > BATCH_ATOMS):
            bounds.append(place)
            atoms = 0
        atoms += len(frame)
    return list(zip(bounds, [*bounds[1:], len(frames)], strict=True))


def _predicted(evaluator: Evaluator, frames: Sequence[Atoms], branch: int) -> list[Atoms]:
    batch = batch_of(frames, evaluator.cutoff, evaluator.max_neighbours, branch)
    outputs = evaluator(batch, with_stress=bool(frames[0].pbc.all()))
    energy, forces = (v.double().cpu().numpy() for v in (outputs.energy, outputs.forces))
    stress = None if outputs.stress is None else outputs.stress.double().cpu().numpy()
    done = []
    for place, frame in enumerate(frames):
        first, last = batch.ptr[place : place + 2].tolist()
        found = {"energy": float(energy[place]), "forces": forces[first:last]}
        if stress is not None:
            found["stress"] = stress[place][VOIGT]
        done.append(_with_results(frame, found))
    return done


def _with_results(frame: Atoms, found: dict[str, Any]) -> Atoms:
    new: Atoms = frame.copy()  # type: ignore[no-untyped-call]
    for name, value in _told(frame).items():
        (new.arrays if name == "forces" else new.info)[REFERENCE + name] = value
    new.calc = SinglePointCalculator(new, **found)  # type: ignore[no-untyped-call]
    return new


def _told(frame: Atoms) -> dict[str, Any]:
    """What a file says of a frame."""
    results = {} if frame.calc is None else frame.calc.results
    return {name: results[name] for name in ("energy", "forces", "stress") if name in results}


def _table(name: str, frames: Sequence[Atoms], told: Sequence[dict[str, Any]]) -> HeadTable | None:
    """Targets and predictions of the frames whose file tells them; None without any."""
    key = {ENERGY: "energy", FORCES: "forces", STRESS: "stress"}[name]
    rows = [
        (sample, *(IN_UNITS[name](v, frame) for v in (own[key], frame.calc.results[key])))
        for sample, (frame, own) in enumerate(zip(frames, told, strict=True))
        if key in own and key in frame.calc.results
    ]
    if not rows:
        return None
    samples, targets, predictions = zip(*rows, strict=True)
    target, prediction = np.concatenate(targets), np.concatenate(predictions)
    sample = np.repeat(samples, [len(values) for values in targets])
    nodes = np.concatenate([np.arange(len(values)) for values in targets])
    node = nodes if KINDS[name] == "node" else np.full(len(nodes), -1)
    return HeadTable(name, KINDS[name], UNITS[name], sample, node, target, prediction)


IN_UNITS: dict[str, Callable[[Any, Atoms], Array]] = {
    ENERGY: lambda value, frame: np.array([[float(value) / len(frame) * MEV]]),
    FORCES: lambda value, frame: np.asarray(value) * MEV,
    STRESS: lambda value, frame: np.asarray(value)[None] / GPa,
}
