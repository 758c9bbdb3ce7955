"""Everything that ASE reads: extended XYZ, CIF, POSCAR, trajectories, ...

Features are found by their names, not by column_index. Node features: `numbers` (also
`atomic_numbers`, `num_of_protons`), `masses`, `positions`, `forces`, and every other array of the
file by its own name (`initial_magmoms`, ...). Graph features: `energy`, `stress` (six numbers,
xx yy zz yz xz xy), `volume`, and every other entry of the comment line by its own name. A name may
end in `_scaled_num_nodes`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hydria.config.dataset import Dataset, Features
from hydria.core.errors import DataError, listed
from hydria.data.formats.files import PACKED, name_below, raw_files, read_bytes, read_text
from hydria.data.normalise import SCALED
from hydria.data.structures import Floats, Structures, pointers

if TYPE_CHECKING:
    from ase import Atoms

# our name of a format → ASE's; ASE guesses the others from the file
ASE_FORMATS = {"extxyz": "extxyz", "CIF": "cif", "POSCAR": "vasp"}
NODE_ALIASES = {"atomic_numbers": "numbers", "num_of_protons": "numbers"}
GRAPH_ALIASES = {"total_energy": "energy"}
# where extended XYZ says of what kind a frame is
LABELS = ("config_type", "group")
UNITS = {
    "energy": "eV", "total_energy": "eV", "free_energy": "eV", "forces": "eV/Å",
    "stress": "eV/Å³", "positions": "Å", "volume": "Å³", "masses": "u", "initial_magmoms": "μB",
    "magmoms": "μB", "initial_charges": "e", "charges": "e",
}  # fmt: skip


def read(path: Path, dataset: Dataset) -> Structures:
    """Read every frame of every file under `path`; see the module for the features.

    Raises:
        DataError: names the file, the frame and what is missing there.
    """
    names: list[str] = []
    frames: list[Atoms] = []
    for file in raw_files(path):
        found = load_frames(file, ASE_FORMATS.get(dataset.format))
        name = name_below(path, file)
        single = len(found) == 1
        names += [name if single else f"{name}#{index}" for index in range(len(found))]
        frames += found
    asked = (*dataset.node_features.name, *dataset.graph_features.name)
    return to_structures(
        names,
        frames,
        node=features_of(names, frames, dataset.node_features, "node_features"),
        graph=features_of(names, frames, dataset.graph_features, "graph_features"),
        units={name: UNITS[plain] for name in asked if (plain := _plain(name)) in UNITS},
    )


def _plain(feature: str) -> str:
    return feature.replace(SCALED, "")


def load_frames(file: Path, ase_format: str | None) -> list[Atoms]:
    """All frames of one file.

    Raises:
        DataError: if ASE cannot read it, or it holds no atoms.
    """
    import ase.io

    if ase_format and file.suffix in PACKED:
        # ASE seeks in a packed file, which unpacks it anew for every frame
        source: Path | io.StringIO = io.StringIO(read_text(file))
    else:
        read_bytes(file)  # says what is wrong with a file that is not there, or empty
        source = file
    try:
        frames = ase.io.read(source, index=":", format=ase_format)
    except Exception as err:  # ASE's readers raise whatever happens to them
        raise DataError(
            f"{file}: expected {ase_format or 'a file that ASE reads'}, got "
            f"{type(err).__name__}: {err}. Hint: check Dataset.format"
        ) from err
    frames = frames if isinstance(frames, list) else [frames]
    for index, frame in enumerate(frames):
        if not len(frame):
            raise DataError(f"{file}#{index}: expected atoms, got none")
    return frames


def to_structures(
    names: Sequence[str],
    frames: Sequence[Atoms],
    node: dict[str, Floats],
    graph: dict[str, Floats],
    units: dict[str, str] | None = None,
) -> Structures:
    """Columns of ASE frames with the given features."""
    cells = np.array([frame.cell.array for frame in frames])
    return Structures(
        names=tuple(names),
        node_ptr=pointers([len(frame) for frame in frames]),
        numbers=np.concatenate([frame.numbers for frame in frames]).astype(np.int32),
        pos=np.concatenate([frame.positions for frame in frames]),
        cell=cells if cells.any() else None,
        pbc=np.array([frame.pbc for frame in frames]) if cells.any() else None,
        node=node,
        graph=graph,
        units=units or {},
        labels=_labels(frames),
    )


def _labels(frames: Sequence[Atoms]) -> tuple[str, ...] | None:
    """The kind of each frame, by the first of the usual keys that any frame has."""
    for key in LABELS:
        if any(key in frame.info for frame in frames):
            return tuple(str(frame.info.get(key, "")) for frame in frames)
    return None


def features_of(
    names: Sequence[str], frames: Sequence[Atoms], features: Features, section: str
) -> dict[str, Floats]:
    """Feature → values of all atoms, or of all frames.

    Args:
        names: of the frames, for messages.
        frames: what was read.
        features: which ones.
        section: node_features or graph_features.

    Raises:
        DataError: names the frame and the feature it lacks.
    """
    value_of = VALUE_OF[section]
    columns = {}
    for feature, dim in zip(features.name, features.dim, strict=True):
        values = []
        for name, frame in zip(names, frames, strict=True):
            try:
                value = value_of(frame, _plain(feature))
            except (KeyError, TypeError, ValueError) as err:
                raise DataError(
                    f"{name}: Dataset.{section} asks for {feature!r}, which is not there as "
                    f"numbers; it has {listed(_available(frame, section))}"
                ) from err
            if value.shape[1] != dim:
                raise DataError(
                    f"{name}: expected {dim} columns of {feature!r} (Dataset.{section}.dim), "
                    f"got {value.shape[1]}"
                )
            values.append(value)
        columns[feature] = np.concatenate(values)
    return columns


def _node_value(frame: Atoms, name: str) -> Floats:
    """(N, dim) values of a node feature; KeyError when the frame has none of that name."""
    name = NODE_ALIASES.get(name, name)
    results = _results(frame)
    if name == "masses":
        value = frame.get_masses()
    else:
        value = results[name] if name in results else frame.arrays[name]
    value = np.asarray(value, dtype=np.float64)
    if value.shape[:1] != (len(frame),):
        raise KeyError(name)
    return value.reshape(len(frame), -1)


def _graph_value(frame: Atoms, name: str) -> Floats:
    """(1, dim) values of a graph feature; KeyError when the frame has none of that name."""
    name = GRAPH_ALIASES.get(name, name)
    results = _results(frame)
    if name == "volume":
        value = abs(np.linalg.det(frame.cell.array))
    else:
        value = results[name] if name in results else frame.info[name]
    return np.asarray(value, dtype=np.float64).reshape(1, -1)


VALUE_OF: dict[str, Callable[[Atoms, str], Floats]] = {
    "node_features": _node_value,
    "graph_features": _graph_value,
}


def _results(frame: Atoms) -> dict[str, Any]:
    return frame.calc.results if frame.calc is not None else {}


def _available(frame: Atoms, section: str) -> set[str]:
    results = {
        name
        for name, value in _results(frame).items()
        if (np.shape(value)[:1] == (len(frame),)) == (section == "node_features")
    }
    own = {*frame.arrays, "masses"} if section == "node_features" else {*frame.info, "volume"}
    return results | own
