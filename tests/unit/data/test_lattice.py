"""Lattices from the config or a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hydria.core.errors import DataError
from hydria.data.lattice import with_lattice
from hydria.data.structures import Structures, pointers

CSV = """file, ax,ay,az, bx,by,bz, cx,cy,cz, pbc
# skewed
a.txt, 4,0,0, 1,4,0, 0,0,9.5, TTF
below/b.txt,5,0,0,0,5,0,0,0,5

c.txt,5,0,0,0,5,0,0,0,5,101
"""


def _structures(*names: str) -> Structures:
    count = len(names)
    return Structures(
        names=names,
        node_ptr=pointers([1] * count),
        numbers=np.ones(count, np.int32),
        pos=np.zeros((count, 3)),
    )


def _csv(folder: Path, text: str = CSV) -> Path:
    (folder / "lattice.csv").write_text(text)
    return folder / "lattice.csv"


def test_one_lattice_for_all() -> None:
    rows = ((4.0, 0.0, 0.0), (0.0, 5.0, 0.0), (1.0, 0.0, 6.0))
    found = with_lattice(_structures("a", "b"), rows)
    assert found.cell is not None
    assert found.pbc is not None
    assert found.cell.tolist() == [list(map(list, rows))] * 2
    assert found.pbc.all()


def test_lattices_by_file_name_or_path(tmp_path: Path) -> None:
    found = with_lattice(_structures("below/b.txt", "below/a.txt", "c.txt"), _csv(tmp_path))
    assert found.cell is not None
    assert found.pbc is not None
    assert found.cell[1].tolist() == [[4, 0, 0], [1, 4, 0], [0, 0, 9.5]]
    assert found.pbc.tolist() == [[True] * 3, [True, True, False], [True, False, True]]


def test_a_structure_without_a_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"each of 3 structures, got none for 2, .* d\.txt"):
        with_lattice(_structures("a.txt", "d.txt", "e.txt"), _csv(tmp_path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.txt,1,0,0,0,1,0,0,0", r"line 1: expected file, nine numbers"),
        ("a.txt,1,0,0,0,1,0,0,0,one", r"line 1: expected file, nine numbers"),
        ("a.txt,1,0,0,0,1,0,0,0,nan", r"line 1: expected file, nine numbers"),
        ("a.txt,1,0,0,0,1,0,0,0,1,TT", r"line 1: expected pbc as three of T, F, 1, 0, got 'tt'"),
        ("a.txt,1,0,0,0,1,0,0,0,1,T,T,T", r"line 1: expected file, nine numbers"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        with_lattice(_structures("a.txt"), _csv(tmp_path, line + "\n"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: expected the lattices"):
        with_lattice(_structures("a.txt"), tmp_path / "none.csv")
