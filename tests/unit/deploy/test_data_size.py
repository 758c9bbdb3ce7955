"""How many samples a config trains on, counted without the libraries that read them."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from hydria.config import load_config
from hydria.deploy.checks import judge
from hydria.deploy.data_size import UNTOLD, data_size
from tests.support.jobs import plan_for, small_config

FRAME = 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 energy=-1\nSi 0 0 0\n'


def size_of(root: Path | None, **dataset: Any) -> tuple[int | None, int | None]:
    tree = small_config()
    tree["Dataset"] = {**tree["Dataset"], **dataset}
    size = data_size(load_config(tree).config, root)
    return size.samples, size.store_bytes


def frames(count: int) -> bytes:
    return f"1\n{FRAME}".encode() * count


@pytest.mark.parametrize(
    ("form", "names", "samples"),
    [
        (
            "LSMS",
            ["a", "b.txt", "below/c", ".hidden", "below/.d", "d", "e", "f", "g", "h", "i"],
            6,
        ),
        ("CFG", ["a.cfg", "a.bulk", "b.cfg", "b.bulk"], 1),
        ("XYZ", ["a.xyz", "a_energy.txt", "b.xyz", "b_energy.txt", "c.xyz", "c_energy.txt"], 2),
    ],
)
def test_files_of_one_structure_each_are_counted(
    tmp_path: Path, form: str, names: list[str], samples: int
) -> None:
    for name in names:
        file = tmp_path / "raw" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert size_of(tmp_path, format=form) == (samples, None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("all.extxyz", frames(20)),
        ("all.extxyz.xz", lzma.compress(frames(20))),
        ("all.extxyz.gz", gzip.compress(frames(20))),
    ],
)
def test_frames_of_one_file_are_counted(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert size_of(tmp_path, format="extxyz", path={"total": name}) == (14, None)
    sets = {"train": name, "validate": name, "test": name}
    assert size_of(tmp_path, format="extxyz", path=sets) == (20, None)


def test_rows_of_a_table_are_counted_without_its_head(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("smiles,gap\n" + "CCO,1.5\n" * 10)
    assert size_of(tmp_path, format="SMILES", path={"total": "all.csv"}) == (7, None)


def test_pickles_and_what_lies_elsewhere_are_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "all.pkl").write_bytes(b"?")
    assert size_of(tmp_path, format="pickle", path={"total": "all.pkl"}) == (None, None)
    assert size_of(tmp_path, path={"total": "nowhere"}) == (None, None)
    assert plan_for("frontier").samples.reason == UNTOLD


def test_path_that_no_file_system_takes_is_not_looked_into(tmp_path: Path) -> None:
    long = str(tmp_path / ("a" * 300))
    assert size_of(Path(long)) == (None, None)
    plan = plan_for("frontier", data=long, image=f"{long}.sif", account="a")
    assert [str(each) for each in judge(plan) if each.level == "E"] == []


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "all.extxyz").write_bytes(frames(20))
    monkeypatch.setattr("hydria.deploy.data_size.MOST_BYTES", 100)
    assert size_of(tmp_path, format="extxyz", path={"total": "all.extxyz"}) == (None, None)


@pytest.mark.parametrize(("name", "samples"), [("lsms", 700), ("dft_si", 191)])
def test_data_that_hydria_makes_is_known_before_it_is_made(name: str, samples: int) -> None:
    assert data_size(load_config(name).config, None).samples == samples


def test_prepared_data_tells_samples_and_bytes(tmp_path: Path) -> None:
    from hydria.data.prepare import prepare

    config = load_config("dft_si").config
    made = prepare(config, tmp_path)
    size = data_size(config, tmp_path)
    assert size.samples == made.summary.num_train
    assert size.store_bytes is not None
    assert size.store_bytes > 10_000
    assert str(made.path) in size.reason
    other = load_config("dft_si", ["NeuralNetwork.Training.seed=7"]).config
    assert data_size(other, tmp_path).store_bytes is None


def test_data_that_cannot_fit_is_not_staged_unasked(tmp_path: Path) -> None:
    image = tmp_path / "hydria.sif"
    with image.open("wb") as stream:
        stream.truncate(3 * 10**12)  # takes no room
    plan = plan_for("polaris", nodes=10, image=str(image), account="a")
    assert plan.staging.value == ("data",)
    assert "image (3000 GB) does not fit there (3200 GB)" in plan.staging.reason
