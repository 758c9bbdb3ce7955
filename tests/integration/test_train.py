"""`hydria train` on one process: what a run leaves, and how it ends."""

from __future__ import annotations

import json
import math
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hydria.core.errors import ConfigError, HydriaError
from hydria.runtime.status import read_status
from hydria.train import checkpoint as checkpoints
from hydria.train.loop import Trainer
from tests.support.raw_data import RAW
from tests.support.runs import command, course, finish, make_tree, run_here, start, write_config

# one folder for all, whatever the number of test workers
pytestmark = pytest.mark.xdist_group("train")

FILES = {
    "status.json", "metrics.jsonl", "results.json", "run.log", "checkpoints", "predictions",
    "tensorboard", "report.html", "receipt.json", "config.json", "spec.json", "summary.json",
}  # fmt: skip
EPOCHS_FOREVER = 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw data and a config `small.json` of two epochs."""
    folder = tmp_path_factory.mktemp("train")
    write_config(folder, make_tree(folder / "raw", num_epoch=2))
    return folder


def wait_for_epoch(run_dir: Path, epoch: int, process: Any) -> None:
    """Return once `metrics.jsonl` holds `epoch`."""
    deadline = time.monotonic() + 100
    path = run_dir / "metrics.jsonl"
    while time.monotonic() < deadline:
        if path.exists() and len(path.read_text().splitlines()) > epoch:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    raise AssertionError(f"no epoch {epoch} in {run_dir}")


# --- a run from begin to end --------------------------------------------------------------------


@pytest.fixture(scope="module")
def first(folder: Path) -> str:
    """Output of the first run."""
    return command(["train", "small.json"], folder)


def test_the_run_folder_holds_all_that_scripts_rely_on(folder: Path, first: str) -> None:
    run_dir = folder / "runs" / "small"
    assert {path.name for path in run_dir.iterdir()} == FILES
    assert [record["epoch"] for record in course(run_dir)] == [0, 1]
    status = read_status(run_dir)
    assert status is not None
    assert (status.state, status.exit_code, status.epoch) == ("finished", 0, 2)
    receipt = json.loads((run_dir / "receipt.json").read_text())
    assert receipt["launch"] == "single"
    assert receipt["environment"]["OMP_NUM_THREADS"] == "1"


def test_the_terminal_shows_course_and_results(folder: Path, first: str) -> None:
    assert "1 rank (single, cpu): 5 graphs per rank and step, 5 in all; 6 steps an epoch" in first
    assert "epoch   1  train" in first
    for name in ("free_energy", "charge_density", "magnetic_moment"):
        assert name in first
    assert "runs/small/report.html" in first
    log = (folder / "runs" / "small" / "run.log").read_text()
    assert "epoch   1  train" in log


def test_results_follow_from_the_predictions(folder: Path, first: str) -> None:
    run_dir = folder / "runs" / "small"
    results = json.loads((run_dir / "results.json").read_text())
    table = pq.read_table(run_dir / "predictions" / "test.parquet").to_pylist()
    for name, head in results["heads"].items():
        rows = [row for row in table if row["head"] == name]
        errors = [row["prediction"] - row["target"] for row in rows]
        mean = sum(row["target"] for row in rows) / len(rows)
        spread = sum((row["target"] - mean) ** 2 for row in rows)
        assert head["n"] == len(rows)
        assert head["mae"] == pytest.approx(sum(map(abs, errors)) / len(rows))
        squares = sum(error**2 for error in errors)
        assert head["rmse"] == pytest.approx(math.sqrt(squares / len(rows)))
        assert head["r2"] == pytest.approx(1 - squares / spread)
    # the data are in Rydberg per atom, far from [0, 1]
    energies = [row["target"] for row in table if row["head"] == "free_energy"]
    assert all(-2 < energy < -1 for energy in energies)
    assert results["epoch"] == 1
    assert results["best_val_loss"] == course(run_dir)[1]["val_loss"]


def test_a_second_run_is_refused_and_leaves_the_first(folder: Path, first: str) -> None:
    before = course(folder / "runs" / "small")
    code, output = finish(start(["train", "small.json"], folder))
    assert code == 2
    assert "holds a finished run. Hint: use another --run-dir, --force" in output
    assert "Traceback" not in output
    assert course(folder / "runs" / "small") == before


@pytest.mark.parametrize("name", sorted(RAW))
def test_every_format_trains(tmp_path: Path, name: str) -> None:
    tree = RAW[name](tmp_path)
    tree["NeuralNetwork"]["Training"]["num_epoch"] = 1
    result = run_here(tree, tmp_path / "run")
    assert result.exit_code == 0
    assert set(result.results["heads"]) == set(
        tree["NeuralNetwork"]["Variables_of_interest"]["output_names"]
    )


# --- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "STOP"])
def test_a_stop_leaves_a_checkpoint_from_which_the_same_bits_follow(
    folder: Path, tmp_path: Path, how: str
) -> None:
    run_dir = tmp_path / "stopped"
    arguments = ["train", "small.json", "--run-dir", run_dir]
    process = start([*arguments, f"num_epoch={EPOCHS_FOREVER}"], folder)
    wait_for_epoch(run_dir, 0, process)
    if how == "STOP":
        (run_dir / "STOP").touch()
    else:
        process.send_signal(getattr(signal, how))
    code, output = finish(process)
    assert code == 75, output
    assert "Traceback" not in output
    status = read_status(run_dir)
    assert status is not None
    assert (status.state, status.exit_code) == ("stopped", 75)
    assert status.reason == ("file STOP" if how == "STOP" else how)
    assert not (run_dir / "STOP").exists()
    epochs = status.epoch + 2
    tree = json.loads((folder / "small.json").read_text())
    overrides = [f"num_epoch={epochs}"]
    run_here(tree, run_dir, overrides, resume=True)
    run_here(tree, tmp_path / "whole", overrides)
    assert course(run_dir) == course(tmp_path / "whole")
    assert len(course(run_dir)) == epochs


def test_a_second_ctrl_c_is_no_clean_stop(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(trainer: Trainer) -> None:
        raise KeyboardInterrupt  # what `StopRequest` raises at the second Ctrl-C

    monkeypatch.setattr(Trainer, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_here(make_tree(folder / "raw"), tmp_path / "run")
    status = read_status(tmp_path / "run")
    assert status is not None
    assert (status.state, status.exit_code) == ("failed", 130)


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_checkpoint_cut_in_half_is_passed_over(folder: Path, tmp_path: Path) -> None:
    tree = make_tree(folder / "raw", num_epoch=3)
    run_here(tree, tmp_path / "run")
    expected = course(tmp_path / "run")
    newest = checkpoints.newest(tmp_path / "run")
    assert newest is not None
    state = newest.path / "state.pt"
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    result = run_here(tree, tmp_path / "run", resume=True)
    assert result.exit_code == 0
    assert course(tmp_path / "run") == expected
    log = (tmp_path / "run" / "run.log").read_text()
    assert f"{newest.path.name}: damaged checkpoint" in log
    assert "resumed from" in log


def test_a_loss_that_explodes_is_explained(folder: Path, tmp_path: Path) -> None:
    arguments = ["train", "small.json", "--run-dir", tmp_path, "Optimizer.learning_rate=1e20"]
    code, output = finish(start(arguments, folder))
    assert code == 2
    assert "expected a finite loss of" in output
    assert "Hint: lower Training.Optimizer.learning_rate" in output
    assert "Traceback" not in output
    status = read_status(tmp_path)
    assert status is not None
    assert (status.state, status.exit_code) == ("failed", 2)
    assert "expected a finite loss" in status.reason


def test_continue_starts_from_another_run(folder: Path, tmp_path: Path) -> None:
    tree = make_tree(folder / "raw", num_epoch=2)
    run_here(tree, tmp_path / "first")
    more = make_tree(folder / "raw", num_epoch=1, startfrom="first", **{"continue": 1})
    run_here(more, tmp_path / "second")
    first, second = course(tmp_path / "first"), course(tmp_path / "second")
    assert [record["epoch"] for record in second] == [0]
    assert second[0]["train_loss"] < first[1]["train_loss"]


def test_continue_without_a_run_names_where_it_looked(folder: Path, tmp_path: Path) -> None:
    tree = make_tree(folder / "raw", startfrom="nowhere", **{"continue": 1})
    with pytest.raises(ConfigError, match=r"startfrom: expected a run folder .* got 'nowhere'"):
        run_here(tree, tmp_path / "run")
    status = read_status(tmp_path / "run")
    assert status is not None
    assert status.state == "failed"


def test_unknown_workload_is_refused(folder: Path, tmp_path: Path) -> None:
    tree = make_tree(folder / "raw") | {"workload": "propertie"}
    with pytest.raises(HydriaError, match="did you mean 'property'"):
        run_here(tree, tmp_path / "run")


def test_resume_without_a_run_begins_anew(folder: Path, tmp_path: Path) -> None:
    tree = make_tree(folder / "raw", num_epoch=1)
    assert run_here(tree, tmp_path / "run", resume=True).exit_code == 0
    assert "no checkpoint to resume from" in (tmp_path / "run" / "run.log").read_text()


def test_variables_of_the_manual_are_honoured(folder: Path, tmp_path: Path) -> None:
    tree = make_tree(folder / "raw", num_epoch=2)
    env = {"HYDRAGNN_MAX_NUM_BATCH": "1", "HYDRAGNN_VALTEST": "0", "HYDRAGNN_NUM_WORKERS": "2"}
    run_here(tree, tmp_path / "run", env=env)
    assert [record["step"] for record in course(tmp_path / "run")] == [1, 2]
    assert [record["val_loss"] for record in course(tmp_path / "run")] == [None, None]
    receipt = json.loads((tmp_path / "run" / "receipt.json").read_text())
    assert receipt["honoured"]["max_num_batch"] == 1
