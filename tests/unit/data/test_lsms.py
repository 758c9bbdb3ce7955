"""LSMS text: columns, folders, and every way a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hydria.core.errors import DataError
from hydria.data.formats import read
from hydria.data.structures import Structures
from tests.support.raw_data import lsms_dataset, lsms_text, write_lsms

TWO_ATOMS = """-3.5 7.0 8.0
26 0 0.0 0.5 1.0 26.25 2.0
78 1 1.5 2.0 2.5 77.5 -0.5
"""


def _read(folder: Path, **dataset: object) -> Structures:
    return read(folder, lsms_dataset(**dataset))


def _only(folder: Path, text: str, name: str = "a.txt") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_columns_go_where_the_format_says(tmp_path: Path) -> None:
    found = _read(_only(tmp_path / "raw", TWO_ATOMS))
    assert found.numbers.tolist() == [26, 78]
    assert found.pos.tolist() == [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]
    assert found.node["num_of_protons"].tolist() == [[26.0], [78.0]]
    assert found.node["magnetic_moment"].tolist() == [[2.0], [-0.5]]
    assert found.graph["free_energy_scaled_num_nodes"].tolist() == [[-3.5]]
    assert found.cell is None


def test_charge_density_is_the_surplus_of_electrons(tmp_path: Path) -> None:
    found = _read(_only(tmp_path / "raw", TWO_ATOMS))
    assert found.node["charge_density"].tolist() == [[0.25], [-0.5]]


def test_charge_density_alone_stays_as_it_is(tmp_path: Path) -> None:
    features = {"name": ["charge_density"], "dim": [1], "column_index": [5]}
    found = _read(_only(tmp_path / "raw", TWO_ATOMS), node_features=features)
    assert found.node["charge_density"].tolist() == [[26.25], [77.5]]


def test_features_of_several_columns(tmp_path: Path) -> None:
    found = _read(
        _only(tmp_path / "raw", TWO_ATOMS),
        node_features={"name": ["place", "moment"], "dim": [3, 1], "column_index": [2, 6]},
        graph_features={"name": ["both"], "dim": [2], "column_index": [1]},
    )
    assert found.node["place"].tolist() == found.pos.tolist()
    assert found.graph["both"].tolist() == [[7.0, 8.0]]


def test_hidden_files_are_skipped_and_one_level_of_folders_is_read(tmp_path: Path) -> None:
    folder = write_lsms(tmp_path / "raw", count=2)
    (folder / ".DS_Store").write_bytes(b"\0\1not text")
    _only(folder / "below", TWO_ATOMS)
    (folder / "below" / ".hidden").write_text("nothing")
    (folder / "below" / "deeper").mkdir()
    (folder / "below" / "deeper" / "unread.txt").write_text("nothing")
    found = _read(folder)
    assert found.names == ("below/a.txt", "structure_000.txt", "structure_001.txt")
    assert found.num_atoms.tolist() == [2, 8, 8]


def test_text_in_columns_nobody_asked_for_is_stepped_over(tmp_path: Path) -> None:
    plain = _read(write_lsms(tmp_path / "plain", count=3))
    folder = tmp_path / "with_text"
    for index in range(3):
        header, *atoms = lsms_text(seed=index).splitlines()
        lines = [f"{header} # comment", *(f"{atom} Fe" for atom in atoms)]
        _only(folder, "\r\n".join(lines) + "\n\n", f"structure_{index:03d}.txt")
    found = _read(folder)
    assert np.array_equal(found.pos, plain.pos)
    assert all(np.array_equal(found.node[name], plain.node[name]) for name in plain.node)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bad\.txt: expected data, got an empty file"),
        (" \n\n", r"bad\.txt: expected data, got an empty file"),
        ("-3.5\n", r"bad\.txt: expected a line for each atom after line 1"),
        ("-3.5\n26 0 0.0 0.5", r"bad\.txt, line 2: expected at least 7 columns, got 4.*cut off"),
        (TWO_ATOMS[:-20], r"bad\.txt, line 3: expected at least 7 columns, got"),
        (TWO_ATOMS.replace("2.0 2.5", "two 2.5"), r"bad\.txt, line 3, column 3: .* got 'two'"),
        (TWO_ATOMS.replace("-3.5", "energy"), r"bad\.txt, line 1, column 0: .* got 'energy'"),
        (TWO_ATOMS.replace("26.25", "nan"), r"bad\.txt, line 2, column 5: .* got 'nan'"),
        (TWO_ATOMS.replace("77.5", "-inf"), r"bad\.txt, line 3, column 5: .* got '-inf'"),
        (TWO_ATOMS.replace("26.25", "1.0-2.0"), r"bad\.txt, line 2, column 5: .* '1\.0-2\.0'"),
        (TWO_ATOMS.replace("\n78", "\n\n78"), r"bad\.txt, line 3: expected at least 7 columns"),
        ("# FePt\nSee the paper.\n", r"bad\.txt, line 1, column 0: .* got '#'.*not hidden"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    folder = write_lsms(tmp_path / "raw", count=2)
    _only(folder, text, "bad.txt")
    with pytest.raises(DataError, match=message):
        _read(folder)


def test_a_feature_column_that_does_not_exist(tmp_path: Path) -> None:
    features = {"name": ["eleventh"], "dim": [1], "column_index": [10]}
    with pytest.raises(
        DataError, match=r"line 2: expected at least 11 columns, got 7.*column_index"
    ):
        _read(write_lsms(tmp_path / "raw", count=2), node_features=features)
    with pytest.raises(
        DataError, match=r"line 1: expected at least 11 columns, got 3.*column_index"
    ):
        _read(tmp_path / "raw", graph_features=features)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: expected a file or folder"):
        _read(tmp_path / "nowhere")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / ".DS_Store").touch()
    with pytest.raises(DataError, match="raw: expected data files, got none"):
        _read(tmp_path / "raw")
