"""Raw data to a graph store on disk, once: folders that are there whole or not at all.

A prepared folder `<data root>/stores/<dataset>-<key>` holds the columns (`graphs/`), the ids of
each set (`splits.npz`), the measured facts (`summary.json`) and what it was made of
(`provenance.json`). The key is a hash of those parts of a config that matter to it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria._version import __version__
from hydria.config.run import RunConfig
from hydria.config.summary import DataSummary
from hydria.core.errors import DataError
from hydria.core.files import write_json_atomic
from hydria.data import splits as cut
from hydria.data.energies import element_counts, fit_energies, warn_about_units
from hydria.data.formats import read
from hydria.data.graphs import (
    build_graphs,
    feature_minmax,
    needs_positions,
    outputs,
    turning_features,
)
from hydria.data.lattice import with_lattice
from hydria.data.locate import TOTAL, fingerprint, lattice_of, provide, sources
from hydria.data.normalise import check_finite, scale_by_num_nodes
from hydria.data.progress import Progress, silent
from hydria.data.store import GraphStore
from hydria.data.structures import Structures, join

log = logging.getLogger(__name__)

Ids = NDArray[np.int64]
# Change it when the same config and data would make other columns.
RECIPE = 2


@dataclass(frozen=True)
class PreparedData:
    """Graphs, their sets and the facts measured on them.

    Attributes:
        store: all graphs.
        splits: sorted ids of "train", "validate" and "test".
        summary: what a model must know of its data.
        path: the folder, or None when it was never written.
    """

    store: GraphStore
    splits: dict[str, Ids]
    summary: DataSummary
    path: Path | None = None


def prepare(
    config: RunConfig, data_root: Path, *, force: bool = False, progress: Progress = silent
) -> PreparedData:
    """The prepared data of a config; made when it is missing or its raw data has changed.

    A second caller waits for the first one and opens what it made.

    Args:
        data_root: where raw data and stores lie.
        force: make it again in any case.
        progress: told how far the work has come.

    Raises:
        ConfigError, DataError, GraphError: if config and data do not fit, or are missing.
    """
    folder = store_path(config, data_root)
    if not force and _is_current(folder, config, data_root):
        return open_prepared(config, data_root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f".{folder.name}.lock")):
        if force or not _is_current(folder, config, data_root):
            _make(folder, config, data_root, progress)
    return open_prepared(config, data_root)


def open_prepared(config: RunConfig, data_root: Path) -> PreparedData:
    """Open what `prepare` made, its columns mapped into memory.

    Raises:
        DataError: if it is missing or damaged.
    """
    folder = store_path(config, data_root)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: expected prepared data, got nothing there. Hint: run 'hydria prepare' first"
        )
    try:
        summary = DataSummary.model_validate_json((folder / "summary.json").read_bytes())
        with np.load(folder / "splits.npz") as arrays:
            splits = {name: arrays[name] for name in cut.SETS}
    except (OSError, ValueError, KeyError) as err:
        raise DataError(
            f"{folder}: expected prepared data, got {err}. Hint: hydria prepare --force"
        ) from err
    return PreparedData(GraphStore.open(folder / "graphs"), splits, summary, folder)


def store_path(config: RunConfig, data_root: Path) -> Path:
    """The folder of the prepared data of `config`."""
    text = json.dumps(_what_matters(config), sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    return data_root / "stores" / f"{config.dataset.name}-{key}"


def _what_matters(config: RunConfig) -> dict[str, Any]:
    network = config.neural_network
    architecture = network.architecture
    return {
        "recipe": RECIPE,
        "dataset": config.dataset.model_dump(mode="json"),
        "radius": architecture.radius,
        "positions": needs_positions(config),
        "max_neighbours": architecture.max_neighbours,
        "periodic": architecture.periodic_boundary_conditions,
        "edge_features": architecture.edge_features,
        "pe_dim": architecture.pe_dim if architecture.global_attn_engine else 0,
        "turning": sorted(turning_features(config)),
        "variables": network.variables_of_interest.model_dump(
            mode="json",
            include={"input_node_features", "output_names", "output_index", "type",
                     "graph_attr_features", "subsample_percentage"},
        ),
        "perc_train": network.training.perc_train,
        "seed": network.training.seed,
        "double": network.training.precision == "fp64",
        **({"potential": True} if config.is_potential else {}),
    }  # fmt: skip


def _is_current(folder: Path, config: RunConfig, data_root: Path) -> bool:
    """Whether `folder` is there and its raw data, if that is still there, as it was."""
    try:
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    places = _all_places(config, data_root)
    if places is None or fingerprint(places) == provenance.get("fingerprint"):
        return True
    log.warning("%s: the raw data has changed since; preparing it again", folder.name)
    return False


def _all_places(config: RunConfig, data_root: Path) -> dict[str, Path] | None:
    places = sources(config.dataset, data_root)
    if places is None:
        return None
    lattice = lattice_of(config.dataset, data_root)
    return {**places, "lattice": lattice} if isinstance(lattice, Path) else places


def _make(folder: Path, config: RunConfig, data_root: Path, progress: Progress) -> None:
    start = time.perf_counter()
    provide(config.dataset, data_root, progress)
    places = _all_places(config, data_root) or {}
    prepared = build(config, data_root, progress)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(temporary, prepared, _provenance(config, places))
        _move_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    log.info("prepared %s in %.1f s", folder, time.perf_counter() - start)


def build(config: RunConfig, data_root: Path, progress: Progress = silent) -> PreparedData:
    """Read raw data and make training-ready graphs of it, in memory.

    Raises:
        ConfigError, DataError, GraphError: as `prepare`.
    """
    dataset = config.dataset
    places = provide(dataset, data_root, progress)
    positions = needs_positions(config)
    parts = {name: read(place, dataset, positions) for name, place in places.items()}
    structures = join(list(parts.values()))
    lattice = lattice_of(dataset, data_root)
    if lattice is not None:
        structures = with_lattice(structures, lattice)
    check_finite(structures)
    structures = scale_by_num_nodes(structures)
    splits = _split(structures, {name: len(part) for name, part in parts.items()}, config)
    store = build_graphs(structures, config)
    return PreparedData(store, splits, _summarise(store, structures, splits, config))


def _split(structures: Structures, counts: dict[str, int], config: RunConfig) -> dict[str, Ids]:
    training = config.neural_network.training
    part = config.neural_network.variables_of_interest.subsample_percentage
    stratified = config.dataset.compositional_stratified_splitting
    everything = np.arange(len(structures))
    keys = cut.compositions(structures) if stratified or part is not None else everything
    ids = everything if part is None else cut.sample_by_composition(keys, part, training.seed)
    if TOTAL not in counts:
        return cut.given(counts, ids)
    if stratified:
        positions = cut.by_composition(keys[ids], training.perc_train, training.seed)
    else:
        positions = cut.by_fraction(len(ids), training.perc_train, training.seed)
    return {name: ids[own] for name, own in positions.items()}


def _summarise(
    store: GraphStore, structures: Structures, splits: dict[str, Ids], config: RunConfig
) -> DataSummary:
    dataset = config.dataset
    columns = {**store.node, **store.graph}
    in_training = np.zeros(len(store), dtype=bool)
    in_training[splits["train"]] = True
    in_degree = np.bincount(
        store.edge["edge_target"] + np.repeat(store.node_ptr[:-1], np.diff(store.edge_ptr)),
        minlength=int(store.node_ptr[-1]),
    )[np.repeat(in_training, np.diff(store.node_ptr))]
    nodes = np.unique(np.diff(store.node_ptr))
    return DataSummary(
        num_train=len(splits["train"]),
        num_validation=len(splits["validate"]),
        num_test=len(splits["test"]),
        input_dim=store.node["x"].shape[1],
        edge_dim=store.edge["edge_attr"].shape[1] if "edge_attr" in store.edge else 0,
        graph_attr_dim=store.graph["graph_attr"].shape[1] if "graph_attr" in store.graph else 0,
        output_dim=tuple(columns[f"y.{n}"].shape[1] for n, *_ in outputs(config)),
        num_nodes=int(nodes[0]) if len(nodes) == 1 else None,
        pna_deg=tuple(np.bincount(in_degree).tolist()),
        avg_num_neighbors=float(in_degree.mean()),
        **(_energies(store, structures, in_training) if config.is_potential else {}),
        node_minmax=feature_minmax(dataset.node_features, structures.node),
        graph_minmax=feature_minmax(dataset.graph_features, structures.graph),
    )


def _energies(
    store: GraphStore, structures: Structures, in_training: NDArray[np.bool_]
) -> dict[str, Any]:
    """What a potential must know of the energies and forces of its training set."""
    from ase.data import chemical_symbols

    energy = store.graph["energy"][:, 0]
    kinds, counts = element_counts(structures.numbers, structures.node_ptr)
    there = counts[in_training].any(axis=0)
    fitted = fit_energies(kinds[there], counts[in_training][:, there], energy[in_training])
    of_training = np.repeat(in_training, structures.num_atoms)
    forces = store.node.get("forces")
    warn_about_units(structures, energy, forces, fitted)
    rms = None if forces is None else float(np.sqrt(np.square(forces[of_training]).mean()))
    return {
        "fitted_energies": {chemical_symbols[z]: value for z, value in fitted.items()},
        "force_rms": rms,
    }


def _provenance(config: RunConfig, places: dict[str, Path]) -> dict[str, Any]:
    return {
        "hydria": __version__,
        "config": _what_matters(config),
        "sources": {name: str(place.absolute()) for name, place in places.items()},
        "fingerprint": fingerprint(places),
    }


def _write(folder: Path, prepared: PreparedData, provenance: dict[str, Any]) -> None:
    prepared.store.save(folder / "graphs")
    np.savez(folder / "splits.npz", **prepared.splits)  # type: ignore[arg-type]
    write_json_atomic(folder / "summary.json", prepared.summary.model_dump(mode="json"))
    write_json_atomic(folder / "provenance.json", provenance)
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)  # mkdtemp makes private folders; others train on this one too


def _move_into_place(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`; what was there goes away afterwards."""
    outdated = new.with_name(f"{new.name}.outdated")
    if folder.exists():
        folder.rename(outdated)
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():  # else somebody without the lock made the same meanwhile
            raise
    shutil.rmtree(outdated, ignore_errors=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold `lock` while the block runs, so that of several callers one does the work.

    File systems without locks let everybody through; then the last rename wins, and all of them
    made the same.
    """
    import fcntl

    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for another process that prepares the same data")
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            log.debug("%s: no locks on this file system", lock)
        yield
