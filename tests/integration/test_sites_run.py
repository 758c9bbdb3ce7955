"""Every site's script from end to end, on stand-ins that insist on the site's own rules.

Acceptance 8 (loss printed, exit code 0, with the real trainer on two ranks) and 9 (warned before the
walltime, checkpoint, back into the queue, on at the saved epoch, a bounded number of times).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydria.deploy.sites import site_names
from tests.support.raw_data import config_tree, write_lsms
from tests.support.shims.machine import Machine
from tests.support.shims.rules import MACHINES
from tests.support.shims.warm import warm_server

pytestmark = pytest.mark.xdist_group("shims")

TWO_NODES = ["--nodes", "2", "--account", "abc123"]
FLAGS = {
    "aws-parallelcluster": [*TWO_NODES, "--gpus", "8"],
    "generic-slurm": [*TWO_NODES, "--cpus", "4"],
    "juwels-booster": [*TWO_NODES, "--assume", "queues[0].nodes[1]=100"],
    "katana": ["--gpus", "2"],
    "leonardo": [*TWO_NODES, "--assume", "queues[0].nodes[1]=100"],
}


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_server(tmp_path_factory.mktemp("warm") / "door") as door:
        yield door


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files, a config, and one data root for all: it is prepared by the first job only."""
    folder = tmp_path_factory.mktemp("data")
    write_lsms(folder / "raw", count=24)
    (folder / "tiny.json").write_text(json.dumps(config_tree(folder / "raw")))
    return folder


def asked(machine: Machine, data: Path) -> list[str]:
    flags = FLAGS.get(machine.name, TWO_NODES)
    return ["--config", str(data / "tiny.json"), "--data", str(data / "root"), *flags]


@pytest.mark.parametrize("name", sorted(set(site_names()) - {"local"}))
def test_acceptance_8_script_runs_from_end_to_end(
    tmp_path: Path, warm: Path, data: Path, name: str
) -> None:
    machine = Machine(tmp_path, name, warm)
    submitted = machine.submit(*asked(machine, data))
    assert submitted.returncode == 0, submitted.stderr
    job = machine.start_next()
    assert job.finish() == 0, job.output
    assert json.loads((machine.run_dir / "status.json").read_text())["state"] == "finished"
    assert machine.epochs() == [1, 2] or machine.epochs() == [0, 1]
    assert "RMSE" in job.output
    assert "2 ranks" in job.output


def test_every_site_has_a_stand_in() -> None:
    assert set(MACHINES) == set(site_names()) - {"local"}
