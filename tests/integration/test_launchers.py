"""The same command under torchrun, under mpirun, and starting its own ranks."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hydria.runtime.status import read_status
from tests.integration.test_train import EPOCHS_FOREVER, wait_for_epoch
from tests.support.runs import course, finish, make_tree, run_here, start, write_config

# one folder for all, whatever the number of test workers
pytestmark = pytest.mark.xdist_group("launchers")

TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone",
    "--no-python",
]  # fmt: skip
MPIRUN = ["mpirun", "--oversubscribe", "-n", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw data, a config `small.json`, and its run on one process."""
    folder = tmp_path_factory.mktemp("launchers")
    tree = make_tree(folder / "raw", num_epoch=2, global_batch_size=5)
    write_config(folder, tree)
    run_here(tree, folder / "one")
    return folder


@pytest.mark.parametrize(
    ("name", "before", "more", "launch"),
    [
        ("torchrun", TORCHRUN, [], "torchrun"),
        ("mpirun", MPIRUN, [], "Open MPI"),
        ("alone", [], ["devices=2"], "torchrun"),
    ],
    ids=["torchrun", "mpirun", "devices=2"],
)
def test_two_ranks_train_as_one_process_does(
    folder: Path, name: str, before: list[str], more: list[str], launch: str
) -> None:
    run_dir = folder / name
    code, output = finish(
        start(["train", "small.json", "--run-dir", run_dir, *more], folder, before)
    )
    assert code == 0, output
    assert "2 ranks" in output
    assert "3 graphs per rank and step, 5 in all" in output
    assert output.count("test loss") == 1  # only one rank prints
    receipt = json.loads((run_dir / "receipt.json").read_text())
    assert (receipt["launch"], receipt["world_size"]) == (launch, 2)
    assert [rank["rank"] for rank in receipt["ranks"]] == [0, 1]
    one, two = (
        [record["train_loss"] for record in course(path)] for path in (folder / "one", run_dir)
    )
    assert np.abs(np.array(one) - np.array(two)).max() < 1e-5
    assert not list(run_dir.glob(".rendezvous*"))


def test_ctrl_c_on_own_ranks_stops_them_and_they_go_on(folder: Path) -> None:
    run_dir = folder / "interrupted"
    arguments = ["train", "small.json", "devices=2", "--run-dir", run_dir]
    process = start([*arguments, f"num_epoch={EPOCHS_FOREVER}"], folder)
    wait_for_epoch(run_dir, 0, process)
    process.send_signal(signal.SIGINT)
    code, output = finish(process)
    assert code == 75, output
    status = read_status(run_dir)
    assert status is not None
    assert (status.state, status.reason) == ("stopped", "file STOP")
    # the checkpoint of two ranks goes on with one
    tree = json.loads((folder / "small.json").read_text())
    overrides = [f"num_epoch={status.epoch + 1}"]
    assert run_here(tree, run_dir, overrides, resume=True).exit_code == 0
    assert len(course(run_dir)) == status.epoch + 1


def test_signal_to_a_rank_under_mpirun_stops_all(folder: Path) -> None:
    run_dir = folder / "signalled"
    arguments = ["train", "small.json", "--run-dir", run_dir, f"num_epoch={EPOCHS_FOREVER}"]
    process = start(arguments, folder, MPIRUN)
    wait_for_epoch(run_dir, 0, process)
    receipt_pid = read_status(run_dir)
    assert receipt_pid is not None
    os.kill(receipt_pid.pid, signal.SIGUSR1)
    finish(process)
    status = read_status(run_dir)
    assert status is not None
    assert (status.state, status.reason) == ("stopped", "SIGUSR1")


def test_a_lost_rank_ends_the_run_with_a_reason(folder: Path) -> None:
    run_dir = folder / "lost"
    arguments = ["train", "small.json", "devices=2", "--run-dir", run_dir]
    process = start([*arguments, f"num_epoch={EPOCHS_FOREVER}"], folder)
    wait_for_epoch(run_dir, 0, process)
    status = read_status(run_dir)
    assert status is not None
    os.kill(status.pid, signal.SIGKILL)
    begun = time.monotonic()
    code, output = finish(process)
    assert code not in (0, 75), output
    assert time.monotonic() - begun < 60
    status = read_status(run_dir)
    assert status is not None
    assert status.state == "failed"
    assert "lost the connection to another rank" in status.reason


def test_more_ranks_than_samples_are_refused_once(folder: Path) -> None:
    tree = make_tree(folder / "raw", perc_train=0.03)
    write_config(folder, tree, "scarce")
    run_dir = folder / "scarce"
    code, output = finish(
        start(["train", "scarce.json", "devices=2", "--run-dir", run_dir], folder)
    )
    assert code == 2, output
    assert output.count("expected at most 1 ranks, one for each training sample, got 2") == 1
    assert "Traceback" not in output
