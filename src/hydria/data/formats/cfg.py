"""AtomEye's extended CFG, with the properties of a structure in a `.bulk` file beside it.

Node columns: 0 atomic number, 1 mass, 2 c_peratom, 3 to 5 fx, fy, fz; the last four are auxiliary
columns of the file. Graph columns: up to three numbers on the first line of NAME.bulk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hydria.config.dataset import Dataset
from hydria.core.errors import DataError, listed
from hydria.data.formats.files import raw_files
from hydria.data.formats.tables import first_line_numbers, select
from hydria.data.formats.through_ase import load_frames, to_structures
from hydria.data.structures import Floats, Structures

if TYPE_CHECKING:
    from ase import Atoms

AUXILIARY = ("c_peratom", "fx", "fy", "fz")


def read(path: Path, dataset: Dataset) -> Structures:
    """Read every `.cfg` file under `path`; other files are passed over.

    Raises:
        DataError: names the file that is malformed or lacks columns or its `.bulk` file.
    """
    return read_with_table(path, dataset, ".cfg", _table, lambda file: file.with_suffix(".bulk"))


def read_with_table(
    path: Path,
    dataset: Dataset,
    suffix: str,
    table_of: Callable[[Path, Atoms], Floats],
    graph_file: Callable[[Path], Path],
) -> Structures:
    """Read files of one frame each, whose features lie in fixed columns.

    Args:
        suffix: what the names of the files end in.
        table_of: (N, columns) node features of a frame.
        graph_file: the file with the graph features of a structure.
    """
    files = raw_files(path, suffix)
    frames = [_only_frame(file, suffix.removeprefix(".")) for file in files]
    nodes = np.concatenate([table_of(f, a) for f, a in zip(files, frames, strict=True)])
    node = select(nodes, dataset.node_features, str(path), "node_features")
    graph: dict[str, Floats] = {}
    if dataset.graph_features.name:
        rows = [
            select(
                first_line_numbers(beside), dataset.graph_features, str(beside), "graph_features"
            )
            for beside in map(graph_file, files)
        ]
        graph = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    root = path if path.is_dir() else path.parent
    names = [file.relative_to(root).as_posix() for file in files]
    return to_structures(names, frames, node, graph)


def _only_frame(file: Path, ase_format: str) -> Atoms:
    frames = load_frames(file, ase_format)
    if len(frames) != 1:
        raise DataError(
            f"{file}: expected one structure, got {len(frames)}. "
            "Hint: Dataset.format 'extxyz' reads files with several"
        )
    return frames[0]


def _table(file: Path, frame: Atoms) -> Floats:
    missing = [name for name in AUXILIARY if name not in frame.arrays]
    if missing:
        raise DataError(
            f"{file}: expected auxiliary columns {listed(AUXILIARY)}, missing {listed(missing)}"
        )
    columns = [frame.numbers, frame.get_masses(), *(frame.arrays[name] for name in AUXILIARY)]
    return np.column_stack(columns).astype(np.float64)
