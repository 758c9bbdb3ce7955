"""`hydria predict` on a small trained run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from ase import Atoms

from hydria.cli.main import run
from hydria.config import load_config
from hydria.core.errors import CheckpointError, HydriaError
from hydria.report.tables import results_table
from hydria.workloads.run import Request, train
from tests.support.raw_data import config_tree, write_lsms

# without it the trainer takes all cores, and keeps them for the tests that follow
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True, scope="module")
def _algorithms_stay() -> object:
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw data, stores, and a finished run in `runs/made`."""
    root = tmp_path_factory.mktemp("predict")
    tree = config_tree(write_lsms(root / "raw", count=20))
    tree["NeuralNetwork"]["Training"] |= {"num_epoch": 3, "seed": 4}
    tree["NeuralNetwork"]["Variables_of_interest"]["denormalize_output"] = True
    train(Request(load_config(tree), root / "runs" / "made", root / "data"), ONE_THREAD)
    return root


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as working directory."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (tmp_path / "data").symlink_to(trained / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(*arguments: str) -> None:
    with pytest.raises(SystemExit) as done:
        run(["predict", *arguments])
    assert done.value.code == 0


def test_predict_repeats_the_test_of_the_training(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here / "runs" / "made"
    before = pq.read_table(folder / "predictions" / "test.parquet")
    results = json.loads((folder / "results.json").read_text())
    (folder / "predictions" / "test.parquet").unlink()
    predict("made")
    shown = capsys.readouterr().out
    heads = {"heads": results["heads"], "test_loss": results["test_loss"]}
    assert results_table(heads) in shown
    assert "predictions  runs/made/predictions/test.parquet" in shown
    assert pq.read_table(folder / "predictions" / "test.parquet").equals(before)


def test_predict_on_another_split_with_other_weights(here: Path) -> None:
    predict("made", "--split", "train", "--checkpoint", "last", "--out", "values.parquet")
    table = pq.read_table("values.parquet").to_pydict()
    rows = [row for row, head in enumerate(table["head"]) if head == "free_energy"]
    assert len(rows) == 14
    assert {table["node"][row] for row in rows} == {-1}
    tested = pq.read_table("runs/made/predictions/test.parquet")["sample"].to_pylist()
    assert not {table["sample"][row] for row in rows} & set(tested)


def test_predict_names_files_by_the_checkpoint(here: Path) -> None:
    oldest = sorted(Path("runs/made/checkpoints").iterdir())[0]
    before = Path("runs/made/predictions/test.parquet").read_bytes()
    predict("runs/made", "--checkpoint", oldest.name)
    by_name = Path(f"runs/made/predictions/test-{oldest.name}.parquet")
    assert by_name.is_file()
    assert Path("runs/made/predictions/test.parquet").read_bytes() == before
    predict("made", "--checkpoint", str(oldest), "--out", "by_path.parquet")
    assert pq.read_table("by_path.parquet").equals(pq.read_table(by_name))


def test_predict_makes_a_missing_store_again(here: Path) -> None:
    before = pq.read_table("runs/made/predictions/test.parquet")
    predict("made", "--data", "elsewhere", "--out", "again.parquet")
    assert list(Path("elsewhere/stores").glob("made-*"))
    assert pq.read_table("again.parquet").equals(before)


def test_predict_on_two_ranks_equals_one(here: Path) -> None:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    hydria = ["-m", "hydria", "predict", "made", "--split", "train", "--out", "two.parquet"]
    subprocess.run([sys.executable, *command, *hydria], check=True, timeout=180, env={**os.environ})
    predict("made", "--split", "train", "--out", "one.parquet")
    one, two = pq.read_table("one.parquet"), pq.read_table("two.parquet")
    for name in ("head", "sample", "node", "component", "target"):
        assert one[name].equals(two[name]), name
    np.testing.assert_allclose(one["prediction"], two["prediction"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["made", "--split", "tests"], HydriaError, "expected one of train, validate, test"),
        (["made", "--checkpoint", "step-1"], CheckpointError, "expected a path or one of best"),
        (["mode"], HydriaError, "did you mean 'runs/made'"),
    ],
)
def test_predict_says_what_would_work(
    here: Path, arguments: list[str], error: type[HydriaError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(["predict", *arguments])


def test_predict_refuses_a_damaged_checkpoint_that_is_named(here: Path) -> None:
    oldest = sorted(Path("runs/made/checkpoints").iterdir())[0]
    state = oldest / "state.pt"
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="damaged checkpoint"):
        run(["predict", "made", "--checkpoint", oldest.name])


def test_predict_refuses_weights_of_another_model(here: Path) -> None:
    path = Path("runs/made/config.json")
    config = json.loads(path.read_text())
    config["NeuralNetwork"]["Architecture"]["hidden_dim"] = 12
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="expected weights of the model"):
        run(["predict", "made"])


def as_extxyz(raw: Path, file: str) -> list[str]:
    """Positions and elements of LSMS files, without any target; their names in order."""
    paths = sorted(raw.iterdir())
    frames = []
    for path in paths:
        rows = np.loadtxt(path, skiprows=1)
        frames.append(Atoms(numbers=rows[:, 0].astype(int), positions=rows[:, 2:5]))
    ase.io.write(file, frames)
    return [path.name for path in paths]


def test_predict_on_new_structures_equals_the_test_pass(
    here: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_extxyz(trained / "raw", "new.extxyz")
    (here / "data").unlink()  # the run folder is all that is needed
    predict("made", "--input", "new.extxyz")
    shown = capsys.readouterr().out
    assert "free_energy (Ry/atom)" in shown
    assert "new.extxyz#19" in shown
    assert "RMSE" not in shown, "there are no targets to compare with"
    new = pq.read_table("runs/made/predictions/new.parquet").to_pylist()
    by_place = {(row["head"], row["sample"], row["node"]): row for row in new}
    tested = pq.read_table("runs/made/predictions/test.parquet").to_pylist()
    for row in tested:
        same = by_place[row["head"], row["sample"], row["node"]]
        assert same["prediction"] == pytest.approx(row["prediction"], rel=1e-6, abs=1e-7)
        assert same["structure"] == f"new.extxyz#{row['sample']}"
        assert np.isnan(same["target"])


def test_predict_on_new_files_with_targets_gives_errors(
    here: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tested = pq.read_table("runs/made/predictions/test.parquet").to_pylist()
    ids = sorted({row["sample"] for row in tested})
    files = [str(trained / "raw" / f"structure_{sample:03d}.txt") for sample in ids]
    predict("made", *(word for file in files for word in ("--input", file)), "--out", "o.parquet")
    results = json.loads(Path("runs/made/results.json").read_text())
    assert results_table({"heads": results["heads"]}) in capsys.readouterr().out


def test_predict_on_new_structures_names_what_is_missing(here: Path) -> None:
    with pytest.raises(HydriaError, match=r"nothing\.xyz: expected structures"):
        run(["predict", "made", "--input", "nothing.xyz"])
    path = Path("runs/made/config.json")
    config = json.loads(path.read_text())
    config["NeuralNetwork"]["Variables_of_interest"]["input_node_features"] = [2]
    path.write_text(json.dumps(config))
    ase.io.write("new.extxyz", Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]]))
    with pytest.raises(HydriaError, match="magnetic_moment"):
        run(["predict", "made", "--input", "new.extxyz"])
