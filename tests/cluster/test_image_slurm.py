"""A rendered job runs the trainer in the real image on a real Slurm: two nodes, two ranks each."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import EXEC, losses
from tests.support.images import run as run_command
from tests.support.raw_data import config_tree, write_lsms
from tests.support.slurm import Slurm, slurm_cluster, wait_until

pytestmark = [
    pytest.mark.system("apptainer"),
    pytest.mark.system("slurm"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]
SITE = """
name: test-images
facility: tests
docs_url: tests/cluster
as_of: 2026-11-20
maintainer: tests
arch: any
scheduler: {kind: slurm, quirks: [srun_no_inherit_cpus]}
memory_policy: mem
select_style: tasks
queues:
  - {name: batch, kind: partition, nodes: [1, 2], walltime: ["1m", "1h"]}
defaults: {nodes: 2, cpus: 2, walltime: "00:10:00", memory: 3G}
node: {cores: 4}
launch:
  cmd: srun
  template: srun -N{nodes} -n{ranks} -c{cores}
  cpu_bind: {style: c_flag}
  master_addr: {cmd: echo 127.0.0.1}
  master_port: 29741
container: {runtime: apptainer, exec_flags: ["--no-home"]}
storage: {scratch: "."}
restart: {signal: scheduler, lead_s: 30, requeue: requeue_flag, max: 2}
"""
PROGRAM = """
from mpi4py import MPI
world = MPI.COMM_WORLD
total = world.allreduce(world.rank + 1)
print(f"rank {world.rank} of {world.size} sum {total}", flush=True)
"""
BIN = Path(sys.executable).parent
EPOCHS = "NeuralNetwork.Training.num_epoch=40"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with slurm_cluster(nodes=2, cpus=4) as cluster:
        yield cluster


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_lsms(tmp_path / "raw", count=24)
    (tmp_path / "test-images.yaml").write_text(SITE)
    (tmp_path / "tiny.json").write_text(json.dumps(config_tree("raw")))
    return tmp_path


def submit(slurm: Slurm, place: Path, image: Path) -> str:
    said = slurm.command(
        sys.executable, "-m", "hydria", "submit", "--site", "test-images.yaml",
        "--config", "tiny.json", "--image", str(image), EPOCHS, cwd=place,
    )  # fmt: skip
    return said.split()[-1]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def test_warned_job_goes_on_in_the_image_and_ends_as_outside(
    slurm: Slurm, place: Path, image: Path
) -> None:
    job = submit(slurm, place, image)
    run = place / "hydria/runs/tiny"
    wait_until(lambda: (run / "metrics.jsonl").exists() and len(losses(run)) >= 2, 180, "no epoch")
    slurm.command("scancel", "--signal=USR1", "--batch", job)
    slurm.wait_for(job, "PENDING", timeout_s=120)
    assert read_json(run / "status.json")["state"] == "stopped"
    # a node refuses a job that starts in the second in which its last run was revoked
    time.sleep(2)
    slurm.command("scontrol", "update", f"jobid={job}", "starttime=now")
    slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=300)
    output = (place / f"tiny-{job}.out").read_text()
    assert slurm.state_of(job) == "COMPLETED", output
    assert "4 ranks (Slurm" in output
    assert read_json(run / "status.json")["state"] == "finished"

    outside = place / "outside"
    run_command(
        BIN / "torchrun", "--standalone", "--no-python", "--nproc-per-node=4",
        BIN / "hydria", "train", place / "tiny.json", EPOCHS, "--run-dir", outside,
        timeout_s=300, cwd=place,
    )  # fmt: skip
    # four ranks add up in an order that a new process group may choose differently
    assert losses(run) == [pytest.approx(pair, rel=1e-6) for pair in losses(outside)]


def test_pmi2_starts_the_images_mpi(slurm: Slurm, place: Path, image: Path) -> None:
    (place / "program.py").write_text(PROGRAM)
    inside = (*EXEC, "--bind", str(place), str(image), "python", str(place / "program.py"))
    said = slurm.command("srun", "--mpi=pmi2", "-N2", "-n4", *inside, cwd=place)
    assert sorted(said.splitlines()) == [f"rank {rank} of 4 sum 10" for rank in range(4)]
