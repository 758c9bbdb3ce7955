"""HydraGNN's pickles of `torch_geometric` samples, or a bare list of them.

HydraGNN writes three objects: minimum and maximum of the node features, the same of the graph
features, and the samples, whose `x` holds all node features and `y` all graph features in the order
of the config, scaled to [0, 1]. With the bounds the features come back in their own units here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria.config.dataset import Dataset, Features
from hydria.core.errors import DataError
from hydria.data.formats.files import name_below, raw_files, read_bytes
from hydria.data.normalise import Scale
from hydria.data.structures import Floats, Structures, join, pointers
from hydria.data.unpickle import SampleUnpickler

# what lies beside x and y in samples, and is a feature of this name here: what conditions a model,
# and what potentials are fitted to
BESIDE = {"graph": ("graph_attr", "energy", "stress"), "node": ("forces",)}
# names of a lattice in HydraGNN's samples
CELLS = ("cell", "supercell_size")


def read(path: Path, dataset: Dataset) -> Structures:
    """Read the samples of one pickle, or of every `.pkl` file under a folder.

    Raises:
        DataError: if a file is no such pickle, holds objects of other kinds, or its samples do not
            have the features that the config names.
    """
    files = raw_files(path, ".pkl")
    return join([_read_file(file, name_below(path, file), dataset) for file in files])


def _read_file(file: Path, name: str, dataset: Dataset) -> Structures:
    # bounds of node and graph features, and samples; behind them may be what a store adds
    objects = list(_objects(file))[:3]
    bounds = objects[:2] if len(objects) == 3 else [None, None]
    return structures_of(file, name, objects[-1] if objects else None, bounds, dataset)


def structures_of(
    file: Path, name: str, samples: Any, bounds: Sequence[Any], dataset: Dataset
) -> Structures:
    """Structures of samples.

    Args:
        file: where they come from, for messages.
        name: what their names begin with.
        bounds: of the node and of the graph features, by which they were scaled; None if not.

    Raises:
        DataError: if they are no samples, or do not have the features that the config names.
    """
    if not isinstance(samples, Sequence) or not samples or not hasattr(samples[0], "pos"):
        raise DataError(
            f"{file}: expected a pickled list of torch_geometric samples with positions, got "
            f"{type(samples).__name__}"
        )
    in_x, forces = _parted(dataset.node_features, BESIDE["node"], samples[0])
    in_y, attributes = _parted(dataset.graph_features, BESIDE["graph"], samples[0])
    node = _features(file, [_rows(sample.x) for sample in samples], in_x)
    graph = {}
    if in_y.name:
        rows = [_rows(getattr(sample, "y", None)).reshape(1, -1) for sample in samples]
        graph = _features(file, rows, in_y)
    node, graph = (
        _in_own_units(columns, limits)
        for columns, limits in zip((node, graph), bounds, strict=True)
    )
    for name in attributes:
        rows = [_rows(getattr(sample, name, None)).reshape(1, -1) for sample in samples]
        graph |= _features(file, rows, _only(dataset.graph_features, name))
    for name in forces:
        rows = [_rows(getattr(sample, name, None)).reshape(-1, 3) for sample in samples]
        node |= _features(file, rows, _only(dataset.node_features, name))
    cells = _cells(samples)
    return Structures(
        names=tuple(f"{name}#{index}" for index in range(len(samples))),
        node_ptr=pointers([len(sample.pos) for sample in samples]),
        numbers=_numbers(samples, next(iter(node.values()), None)),
        pos=np.concatenate([_rows(sample.pos) for sample in samples]),
        cell=cells,
        pbc=None if cells is None else np.array([_pbc(sample) for sample in samples]),
        node=node,
        graph=graph,
        source=_sources(samples),
    )


def _objects(file: Path) -> Iterator[Any]:
    stream = io.BytesIO(read_bytes(file))
    while stream.tell() < stream.getbuffer().nbytes:
        try:
            yield SampleUnpickler(stream).load()
        except Exception as err:  # a damaged pickle can raise anything
            raise DataError(f"{file}: expected a pickle, got {type(err).__name__}: {err}") from err


def _rows(values: Any) -> Floats:
    return np.empty(0) if values is None else np.asarray(values, dtype=np.float64)


def _features(file: Path, rows: Sequence[Floats], features: Features) -> dict[str, Floats]:
    """Split the columns of all samples by the features of the config, in their order."""
    width = sum(features.dim)
    for index, values in enumerate(rows):
        if values.ndim != 2 or values.shape[1] < width:
            raise DataError(
                f"{file}#{index}: expected {width} columns for the features "
                f"{', '.join(features.name)}, got shape {values.shape}"
            )
    table = np.concatenate([values[:, :width] for values in rows])
    ends = np.cumsum(features.dim)
    return {
        name: table[:, end - dim : end]
        for name, dim, end in zip(features.name, features.dim, ends, strict=True)
    }


def _only(features: Features, name: str) -> Features:
    """One of the features."""
    place = features.name.index(name)
    return Features(name=(name,), dim=(features.dim[place],), column_index=(0,))


def _parted(
    features: Features, names: Sequence[str], sample: Any
) -> tuple[Features, tuple[str, ...]]:
    """The features that samples hold in x or y, and the names of those that lie beside."""
    always = ("graph_attr",)  # never in y, also where a sample lacks it
    beside = tuple(
        name
        for name in features.name
        if name in names and (name in always or getattr(sample, name, None) is not None)
    )
    places = [place for place, name in enumerate(features.name) if name not in beside]
    columns = (features.name, features.dim, features.column_index)
    named = zip(("name", "dim", "column_index"), columns, strict=True)
    rest = Features(**{key: tuple(column[place] for place in places) for key, column in named})
    return rest, beside


def _in_own_units(features: dict[str, Floats], bounds: Any) -> dict[str, Floats]:
    """Undo HydraGNN's scaling; `bounds` is (2, features): smallest and largest values."""
    if bounds is None:
        return features
    limits = np.asarray(bounds, dtype=np.float64)
    if limits.size == 2 * len(features):  # ADIOS2 keeps them in one row
        limits = limits.reshape(2, -1)
    if limits.shape != (2, len(features)):
        return features
    return {
        name: Scale(*limits[:, index].tolist()).undo(values)
        for index, (name, values) in enumerate(features.items())
    }


def _numbers(samples: Sequence[Any], first: Floats | None) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Atomic numbers, or else the first node feature, which tells atom types apart."""
    for name in ("atomic_numbers", "z"):
        if getattr(samples[0], name, None) is not None:
            found = np.concatenate([_rows(getattr(sample, name)).ravel() for sample in samples])
            return found.astype(np.int32)
    if first is None:
        return np.zeros(sum(len(sample.pos) for sample in samples), dtype=np.int32)
    return np.unique(first[:, 0].round(6), return_inverse=True)[1].astype(np.int32)


def _cells(samples: Sequence[Any]) -> Floats | None:
    name = next((name for name in CELLS if getattr(samples[0], name, None) is not None), None)
    if name is None:
        return None
    return np.array([_rows(getattr(sample, name)).reshape(3, 3) for sample in samples])


def _sources(samples: Sequence[Any]) -> NDArray[np.int64] | None:
    """The number of the data set, which HydraGNN's samples hold as `dataset_name`."""
    if getattr(samples[0], "dataset_name", None) is None:
        return None
    numbers = [int(np.asarray(sample.dataset_name).ravel()[0]) for sample in samples]
    return np.array(numbers, dtype=np.int64)


def _pbc(sample: Any) -> list[bool]:
    given = getattr(sample, "pbc", None)
    return [True] * 3 if given is None else np.asarray(given, dtype=bool).ravel().tolist()
