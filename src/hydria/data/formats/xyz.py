"""Plain XYZ, with the properties of a structure in a `_energy.txt` file beside it.

Node column 0 is the atomic number. Graph columns: up to three numbers on the first line of
NAME_energy.txt. Files with more than that are extended XYZ: format `extxyz`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hydria.config.dataset import Dataset
from hydria.data.formats.cfg import read_with_table
from hydria.data.structures import Floats, Structures

if TYPE_CHECKING:
    from ase import Atoms


def read(path: Path, dataset: Dataset) -> Structures:
    """Read every `.xyz` file under `path`; other files are passed over.

    Raises:
        DataError: names the file that is malformed or lacks its `_energy.txt` file.
    """
    return read_with_table(
        path, dataset, ".xyz", _table, lambda file: file.with_name(f"{file.stem}_energy.txt")
    )


def _table(_: Path, frame: Atoms) -> Floats:
    return np.asarray(frame.numbers[:, None], dtype=np.float64)
