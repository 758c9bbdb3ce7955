"""Structures that a trained model has not seen: read, and put on the scales of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hydria.config.dataset import Features
from hydria.config.run import RunConfig
from hydria.config.summary import DataSummary
from hydria.core.errors import DataError
from hydria.data.formats import read
from hydria.data.formats.through_ase import features_of, load_frames, to_structures
from hydria.data.graphs import build_graphs, needs_positions, outputs, turning_features
from hydria.data.lattice import with_lattice
from hydria.data.locate import lattice_of
from hydria.data.normalise import Scale, check_finite, scale_by_num_nodes, scale_for
from hydria.data.store import GraphStore
from hydria.data.structures import Floats, Structures, join

if TYPE_CHECKING:
    from ase import Atoms

# ASE cannot read these; everything else it can, also when the training data was in another format
OWN_FORMATS = frozenset({"LSMS", "unit_test", "SMILES"})
ASE_SUFFIXES = frozenset({".xyz", ".extxyz", ".cif", ".poscar", ".vasp", ".traj", ".json", ".db"})


def unseen_graphs(
    files: Sequence[Path], config: RunConfig, summary: DataSummary, data_root: Path
) -> tuple[GraphStore, tuple[str, ...]]:
    """Graphs of the structures in `files`, as the model of a run expects them.

    Args:
        files: in the raw format of the run, or anything that ASE reads. What the model takes in
            must be there; targets need not, and are NaN then.
        config, summary: of the run.
        data_root: where a lattice file of the config may lie.

    Returns:
        The graphs, and a name for each.

    Raises:
        DataError, GraphError: if a file cannot be read or lacks an input.
    """
    structures = join([_read(file, config) for file in files])
    lattice = lattice_of(config.dataset, data_root)
    if lattice is not None and structures.cell is None:
        structures = with_lattice(structures, lattice)
    check_finite(_inputs_only(structures, config))
    structures = scale_by_num_nodes(structures)
    return build_graphs(structures, config, scales_of(config, summary)), structures.names


def scales_of(config: RunConfig, summary: DataSummary) -> dict[str, Scale]:
    """The scales of the training, by feature."""
    dataset = config.dataset
    if not dataset.normalize_features:
        return {}
    measured = {**summary.node_minmax, **summary.graph_minmax}
    bounds, turning = dataset.normalization_range, turning_features(config)
    return {
        name: scale_for(name, min(low), max(high), bounds, turning)
        for name, (low, high) in measured.items()
    }


def _read(file: Path, config: RunConfig) -> Structures:
    if not file.exists():
        raise DataError(f"{file}: expected structures, got nothing there")
    dataset = config.dataset
    if dataset.format in OWN_FORMATS and file.suffix.lower() not in ASE_SUFFIXES:
        return read(file, dataset, needs_positions(config))
    frames = load_frames(file, None)
    names = [file.name if len(frames) == 1 else f"{file.name}#{i}" for i in range(len(frames))]
    needed = input_features(config)
    return to_structures(
        names,
        frames,
        node=_what_is_there(names, frames, dataset.node_features, "node_features", needed),
        graph=_what_is_there(
            names, frames, dataset.graph_features, "graph_features", attributes_of(config)
        ),
    )


def _what_is_there(
    names: Sequence[str],
    frames: Sequence[Atoms],
    features: Features,
    section: str,
    needed: set[str],
) -> dict[str, Floats]:
    """All features; NaN for one that some frame lacks, unless it is needed."""
    rows = sum(map(len, frames)) if section == "node_features" else len(frames)
    found: dict[str, Floats] = {}
    for name, dim in zip(features.name, features.dim, strict=True):
        one = Features(name=(name,), dim=(dim,), column_index=(0,))
        try:
            found |= features_of(names, frames, one, section)
        except DataError:
            if name in needed:
                raise
            found[name] = np.full((rows, dim), np.nan)
    return found


def input_features(config: RunConfig) -> set[str]:
    """Names of the node features that the model takes in."""
    features = config.dataset.node_features
    owner = np.repeat(np.arange(len(features.name)), features.dim)
    columns = config.neural_network.variables_of_interest.input_node_features
    return {features.name[owner[column]] for column in columns}


def attributes_of(config: RunConfig) -> set[str]:
    """Names of the graph features that condition the model."""
    indices = config.neural_network.variables_of_interest.graph_attr_features
    return {config.dataset.graph_features.name[index] for index in indices}


def _inputs_only(structures: Structures, config: RunConfig) -> Structures:
    """Without the targets, which may be missing."""
    needed = input_features(config)
    node = {name: values for name, values in structures.node.items() if name in needed}
    attributes = attributes_of(config)
    graph = {name: values for name, values in structures.graph.items() if name in attributes}
    return replace(structures, node=node, graph=graph)


def known_outputs(store: GraphStore, config: RunConfig) -> set[str]:
    """Names of the outputs whose targets are all there."""
    columns = {**store.node, **store.graph}
    return {name for name, *_ in outputs(config) if np.isfinite(columns[f"y.{name}"]).all()}
