"""Lattices for formats that carry none: one for all structures, or a CSV file with one for each.

A line of the CSV file is `file, ax, ay, az, bx, by, bz, cx, cy, cz, pbc`: the file's name as it
stands in the raw folder (or its path below it), the lattice vectors in Å, and the periodic axes as
three letters or digits (`TTT`, `TTF`, `110`); `pbc` may be left out for all three. A line of
headings and lines that begin with `#` are passed over.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hydria.core.errors import DataError
from hydria.data.structures import Structures

PERIODIC = {"t": True, "1": True, "f": False, "0": False}
FIELDS = "file, nine numbers (Å) and pbc"


@dataclass(frozen=True)
class _Entry:
    cell: tuple[float, ...]
    pbc: tuple[bool, ...]


def with_lattice(
    structures: Structures, lattice: tuple[tuple[float, float, float], ...] | Path
) -> Structures:
    """The same structures with lattice vectors and periodic axes.

    Args:
        lattice: (3, 3) vectors as rows, Å, or the CSV file described above.

    Raises:
        DataError: if the file is missing or malformed, or lacks a structure; names file and line.
    """
    if isinstance(lattice, Path):
        return _from_entries(structures, read_csv(lattice), lattice)
    count = len(structures)
    return replace(
        structures,
        cell=np.tile(np.array(lattice, dtype=np.float64), (count, 1, 1)),
        pbc=np.ones((count, 3), dtype=bool),
    )


def _from_entries(structures: Structures, entries: dict[str, _Entry], file: Path) -> Structures:
    found = [entries.get(name) or entries.get(Path(name).name) for name in structures.names]
    lacking = [name for name, entry in zip(structures.names, found, strict=True) if not entry]
    if lacking:
        raise DataError(
            f"{file}: expected a line for each of {len(structures)} structures, got none for "
            f"{len(lacking)}, the first of them {lacking[0]}"
        )
    complete = [entry for entry in found if entry]
    return replace(
        structures,
        cell=np.array([entry.cell for entry in complete]).reshape(-1, 3, 3),
        pbc=np.array([entry.pbc for entry in complete]),
    )


def read_csv(file: Path) -> dict[str, _Entry]:
    """Lattices by file name.

    Raises:
        DataError: if `file` is missing or a line is malformed; names the line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(
            f"{file}: expected the lattices of the structures (Dataset.lattice), got {err}"
        ) from err
    return dict(_entries(file, text))


def _entries(file: Path, text: str) -> Iterator[tuple[str, _Entry]]:
    for number, row in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or (number == 1 and _is_heading(cells)):
            continue
        yield cells[0], _entry(f"{file}, line {number}", cells[1:])


def _is_heading(cells: list[str]) -> bool:
    return len(cells) >= 10 and all(_number(cell) is None for cell in cells[1:10])


def _entry(where: str, cells: list[str]) -> _Entry:
    values = [_number(cell) for cell in cells[:9]]
    cell = tuple(value for value in values if value is not None and math.isfinite(value))
    flags = cells[9].lower() if len(cells) > 9 else "ttt"
    if len(cell) != 9 or len(cells) > 10:
        raise DataError(f"{where}: expected {FIELDS}, got {', '.join(cells)!r}")
    if len(flags) != 3 or not set(flags) <= set(PERIODIC):
        raise DataError(f"{where}: expected pbc as three of T, F, 1, 0, got {flags!r}")
    return _Entry(cell, tuple(PERIODIC[flag] for flag in flags))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
