"""Conversion of mlearn's JSON: every digit kept, every group validated."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from hydria.core.assets import asset_dir
from hydria.core.errors import DataError
from hydria.data.sets.mlearn import as_extxyz, convert, hold_out
from tests.support.raw_data import mlearn_entry


def test_every_digit_survives(tmp_path: Path) -> None:
    from ase.io import read

    entry = mlearn_entry()
    (tmp_path / "one.extxyz").write_text(as_extxyz(entry))
    frame = read(tmp_path / "one.extxyz")
    structure, outputs = entry["structure"], entry["outputs"]
    assert frame.positions.tolist() == [site["xyz"] for site in structure["sites"]]
    assert frame.cell.array.tolist() == structure["lattice"]["matrix"]
    assert frame.get_potential_energy() == outputs["energy"]
    assert frame.get_forces().tolist() == outputs["forces"]
    assert frame.info["virial_stress"].tolist() == outputs["virial_stress"]
    assert frame.info["description"] == entry["description"]
    assert frame.pbc.all()


def test_every_ninth_structure_of_a_group_validates() -> None:
    entries = [mlearn_entry(seed, group) for seed in range(20) for group in ("Elastic", "Surface")]
    train, validate = hold_out(entries)
    assert len(train) == 36
    assert [entry["group"] for entry in validate] == ["Elastic", "Surface"] * 2


def test_other_json_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.json", [{"no": "structure"}]), ("b.json", [mlearn_entry()])):
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.json: expected structures as mlearn publishes them"):
        convert(tmp_path / "a.json", tmp_path / "b.json", tmp_path)


def test_the_bundled_silicon_is_complete() -> None:
    folder = asset_dir("bundled") / "dft_si"
    atoms, frames = 0, {}
    for name in ("train", "validate", "test"):
        lines = lzma.decompress((folder / f"{name}.extxyz.xz").read_bytes()).decode().splitlines()
        comments = [line for line in lines if "energy=" in line]
        frames[name] = len(comments)
        atoms += len(lines) - 2 * len(comments)
        groups = {line.split("group=")[1].split()[0] for line in comments}
        assert groups == {"AIMD-NVT", "Vacancy", "Elastic", "Surface"}
    assert frames == {"train": 191, "validate": 23, "test": 25}
    assert atoms == ATOMS
    assert "Materials Virtual Lab" in (folder / "LICENSE").read_text()


# in the source's two files together
ATOMS = 14758
