"""Rendered jobs run the real image on a real Slurm: two nodes, two ranks each."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import ROOT, losses, openmpi_image
from tests.support.images import run as run_command
from tests.support.raw_data import config_tree, write_lsms
from tests.support.slurm import Slurm, asleep, slurm_cluster, wait_until

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
  template: srun --mpi=pmi2 -N{nodes} -n{ranks} -c{cores}
  cpu_bind: {style: c_flag}
  master_addr: {cmd: echo 127.0.0.1}
  master_port: 29741
container: {runtime: apptainer, exec_flags: ["--no-home"]}
storage: {scratch: "."}
restart: {signal: scheduler, lead_s: 120, requeue: requeue_flag, max: 2}
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


def make_job(place: Path, image: Path) -> Path:
    """The script that `make job` writes."""
    venv = BIN.parent
    script = place / "tiny.slurm"
    run_command(
        "make", "-C", ROOT, f"--old-file={venv}/.installed", "job", f"VENV={venv}",
        f"SITE={place}/test-images.yaml", f"CONFIG={place}/tiny.json", f"IMAGE={image}",
        f"OUT={script}", f"SET={EPOCHS}",
    )  # fmt: skip
    return script


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def test_job_stopped_twice_goes_on_in_the_image_and_ends_as_outside(
    slurm: Slurm, place: Path, image: Path
) -> None:
    script, run = make_job(place, image), place / "hydria/runs/tiny"

    # a signal to the ranks themselves, through srun and Apptainer
    job = slurm.submit(script)
    wait_until(lambda: (run / "metrics.jsonl").exists() and len(losses(run)) >= 2, 180, "no epoch")
    slurm.command("scancel", "--signal=USR1", job)
    slurm.wait_for(job, "FAILED", timeout_s=120)
    output = (place / f"tiny-{job}.out").read_text()
    assert slurm.field_of(job, "ExitCode") == "75:0", output
    first = read_json(run / "status.json")
    assert first["state"] == "stopped"

    # the same script again, and Slurm's own warning: less is left than its lead
    job = slurm.submit(script)
    wait_until(lambda: read_json(run / "status.json")["state"] == "running", 180, "not resumed")
    with asleep(read_json(run / "status.json")["pid"]):
        minutes = slurm.minutes_of(job) + 2
        slurm.command("scontrol", "update", f"jobid={job}", f"timelimit={minutes}")
        output_file = place / f"tiny-{job}.out"
        wait_until(lambda: "the walltime ends soon" in output_file.read_text(), 120, "no signal")
    slurm.wait_for(job, "PENDING", timeout_s=120)
    second = read_json(run / "status.json")
    assert second["state"] == "stopped"
    assert second["step"] >= first["step"] > 0

    # a node refuses a job that starts in the second in which its last run was revoked
    time.sleep(2)
    slurm.command("scontrol", "update", f"jobid={job}", "starttime=now", "timelimit=10")
    slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=300)
    output = output_file.read_text()
    assert slurm.state_of(job) == "COMPLETED", output
    assert slurm.field_of(job, "Restarts") == "1"
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


@pytest.mark.system("pmix")
@pytest.mark.parametrize("mpi", ["mpich", "openmpi"])
@pytest.mark.parametrize("plugin", ["pmi2", "pmix"])
def test_site_file_says_how_the_images_mpi_is_started(
    slurm: Slurm, place: Path, image: Path, mpi: str, plugin: str
) -> None:
    """Slurm speaks pmi2 to MPICH and pmix to Open MPI, and neither understands the other."""
    (place / "test-images.yaml").write_text(SITE.replace("pmi2", plugin))
    (place / "program.py").write_text(PROGRAM)
    (place / "mpi.sh").write_text("python program.py\n")
    run_command(
        BIN / "hydria", "job", "--site", "test-images.yaml", "--script", "mpi.sh",
        "--image", image if mpi == "mpich" else openmpi_image(), "--no-preflight",
        "--out", "mpi.slurm", cwd=place,
    )  # fmt: skip
    job = slurm.submit(place / "mpi.slurm")
    slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=120)
    output = (place / f"mpi-{job}.out").read_text()
    answers = [f"rank {rank} of 4 sum 10" for rank in range(4)]
    together = [line for line in answers if line in output.splitlines()] == answers
    assert together is ((mpi, plugin) in {("mpich", "pmi2"), ("openmpi", "pmix")}), output
