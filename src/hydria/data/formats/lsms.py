"""LSMS text: one structure a file, without a lattice.

Line 1 holds numbers of the whole structure (column 0: total energy in Rydberg). Every further line
is an atom: column 0 number of protons, 1 index, 2 to 4 position, 5 charge density (number of
electrons), 6 magnetic moment, then whatever the set holds. The user manual's column_index counts
in these columns.

All files are parsed in one go; only when that fails are they read one by one, to name file and
line of what is wrong or to step over text in columns that nobody asked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hydria.config.dataset import Dataset, Features
from hydria.core.errors import DataError
from hydria.data.formats.files import raw_files, read_bytes
from hydria.data.structures import Floats, Structures, join, pointers

PROTONS = 0
POSITION = (2, 3, 4)
FILES_AT_A_TIME = 4096
GRAPH_UNITS = {0: "Ry"}
NODE_UNITS = {5: "e", 6: "μB"}


@dataclass(frozen=True)
class _Columns:
    """Which columns of the first line and of the atom lines are read, in this order."""

    header: tuple[int, ...]
    atom: tuple[int, ...]


@dataclass(frozen=True)
class _Table:
    """Numbers of several files: (G, header columns), (N, atom columns), atoms of each file."""

    header: Floats
    atoms: Floats
    counts: NDArray[np.int64]


def read(path: Path, dataset: Dataset) -> Structures:
    """Read every file under `path`; see the module for the columns.

    A feature `charge_density` becomes the surplus of electrons: `num_of_protons` is subtracted
    when both are features.

    Raises:
        DataError: names the file and, where there is one, the line and column.
    """
    files = raw_files(path)
    columns = _Columns(
        header=tuple(_expand(dataset.graph_features)),
        atom=(PROTONS, *POSITION, *_expand(dataset.node_features)),
    )
    root = path if path.is_dir() else path.parent
    parts = [
        _structures(files[start : start + FILES_AT_A_TIME], root, columns, dataset)
        for start in range(0, len(files), FILES_AT_A_TIME)
    ]
    return join(parts)


def _expand(features: Features) -> Iterator[int]:
    for first, dim in zip(features.column_index, features.dim, strict=True):
        yield from range(first, first + dim)


def _structures(
    files: Sequence[Path], root: Path, columns: _Columns, dataset: Dataset
) -> Structures:
    texts = [read_bytes(file).rstrip() for file in files]
    table = _parse_together(texts, columns) or _parse_singly(files, texts, columns)
    node = _split(table.atoms[:, 1 + len(POSITION) :], dataset.node_features)
    if {"charge_density", "num_of_protons"} <= node.keys():
        node["charge_density"] = node["charge_density"] - node["num_of_protons"]
    prefix = len(str(root)) + 1
    return Structures(
        names=tuple(str(file)[prefix:] for file in files),
        node_ptr=pointers(table.counts),
        numbers=np.rint(table.atoms[:, 0]).astype(np.int32),
        pos=np.ascontiguousarray(table.atoms[:, 1 : 1 + len(POSITION)]),
        node=node,
        graph=_split(table.header, dataset.graph_features),
        units=_units(dataset, dataset.graph_features, GRAPH_UNITS)
        | _units(dataset, dataset.node_features, NODE_UNITS),
    )


def _units(dataset: Dataset, features: Features, by_column: dict[int, str]) -> dict[str, str]:
    if dataset.format != "LSMS":  # the same text, but whatever its author put there
        return {}
    return {
        name: by_column[first]
        for name, first in zip(features.name, features.column_index, strict=True)
        if first in by_column
    }


def _split(values: Floats, features: Features) -> dict[str, Floats]:
    ends = np.cumsum(features.dim)
    return {
        name: values[:, end - dim : end]
        for name, dim, end in zip(features.name, features.dim, ends, strict=True)
    }


def _parse_together(texts: Sequence[bytes], columns: _Columns) -> _Table | None:
    """All files as one text; None when anything about it is out of the ordinary."""
    text = b"\n".join(texts)
    tokens = _tokens_per_line(text)
    lines = np.array([part.count(b"\n") + 1 for part in texts])
    first_lines = np.zeros(len(tokens), dtype=bool)
    first_lines[np.cumsum(lines) - lines] = True
    needed = np.where(first_lines, _width(columns.header), _width(columns.atom))
    if (tokens < needed).any() or (lines < 2).any():
        return None
    values = _numbers(text)
    if len(values) != tokens.sum():
        return None
    starts = np.cumsum(tokens) - tokens
    header = values[starts[first_lines][:, None] + np.array(columns.header, dtype=np.int64)]
    atoms = values[starts[~first_lines][:, None] + np.array(columns.atom)]
    if not (np.isfinite(header).all() and np.isfinite(atoms).all()):
        return None
    return _Table(header, atoms, lines - 1)


def _tokens_per_line(text: bytes) -> NDArray[np.int64]:
    letters = np.frombuffer(text, dtype=np.uint8)
    blank = letters <= ord(" ")
    starts = ~blank
    starts[1:] &= blank[:-1]
    line_ends = np.append(np.flatnonzero(letters == ord("\n")), len(letters))
    bounds = np.concatenate([[0], line_ends])
    return np.diff(np.searchsorted(np.flatnonzero(starts), bounds))


def _numbers(text: bytes) -> Floats:
    """The numbers of `text` up to the first token that is none."""
    with warnings.catch_warnings():
        # how NumPy says that it met something else; the caller counts the tokens
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return np.fromstring(text, sep=" ")
        except ValueError:
            return np.empty(0)


def _width(columns: Sequence[int]) -> int:
    return max(columns, default=-1) + 1


def _parse_singly(files: Sequence[Path], texts: Sequence[bytes], columns: _Columns) -> _Table:
    header, atoms, counts = [], [], []
    for file, text in zip(files, texts, strict=True):
        lines = text.split(b"\n")
        if len(lines) < 2:
            raise DataError(f"{file}: expected a line for each atom after line 1, got none")
        header.append(_row(file, 1, lines[0], columns.header))
        atoms += [
            _row(file, number, line, columns.atom) for number, line in enumerate(lines[1:], 2)
        ]
        counts.append(len(lines) - 1)
    return _Table(
        np.array(header).reshape(len(files), len(columns.header)),
        np.array(atoms),
        np.array(counts),
    )


def _row(file: Path, number: int, line: bytes, columns: Sequence[int]) -> list[float]:
    tokens = line.split()
    if len(tokens) < _width(columns):
        raise DataError(
            f"{file}, line {number}: expected at least {_width(columns)} columns, "
            f"got {len(tokens)}. Hint: {_hint(number)}"
        )
    return [_number(file, number, column, tokens[column]) for column in columns]


def _hint(number: int) -> str:
    if number == 1:
        return "check Dataset.graph_features.column_index, or take the file out of the folder"
    return (
        "the file may be cut off, or Dataset.node_features.column_index and dim go beyond "
        "its columns"
    )


def _number(file: Path, number: int, column: int, token: bytes) -> float:
    try:
        value = float(token)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        text = token.decode("utf-8", errors="replace")
        raise DataError(
            f"{file}, line {number}, column {column}: expected a finite number, got {text!r}. "
            "Hint: every file of the folder that is not hidden is read as LSMS text; "
            "move others elsewhere"
        )
    return value
