"""Feature columns by position, for formats with a fixed order of columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hydria.config.dataset import Features
from hydria.core.errors import DataError
from hydria.data.formats.files import read_bytes
from hydria.data.structures import Floats


def select(table: Floats, features: Features, where: str, section: str) -> dict[str, Floats]:
    """The features of a table (rows, columns) by column_index and dim.

    Args:
        where: file or files of the table, for messages.
        section: "node_features" or "graph_features", for messages.

    Raises:
        DataError: if a feature reaches beyond the last column.
    """
    selected = {}
    for name, dim, first in zip(features.name, features.dim, features.column_index, strict=True):
        if first + dim > table.shape[1]:
            raise DataError(
                f"{where}: Dataset.{section} asks for {name!r} in columns {first} to "
                f"{first + dim - 1}, expected columns 0 to {table.shape[1] - 1}"
            )
        selected[name] = table[:, first : first + dim]
    return selected


def first_line_numbers(file: Path) -> Floats:
    """(1, 3 or less) numbers on the first line of the small file beside a structure.

    Raises:
        DataError: if the file is missing or its first line holds anything but numbers.
    """
    line = read_bytes(file).lstrip().split(b"\n", 1)[0]
    try:
        values = [float(token) for token in line.split(None, 2)]
    except ValueError as err:
        raise DataError(f"{file}, line 1: expected up to three numbers, got {err}") from err
    if not np.isfinite(values).all():
        raise DataError(f"{file}, line 1: expected finite numbers, got {values}")
    return np.array([values])
