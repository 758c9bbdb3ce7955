"""Rendered scripts on a real Slurm, with the real trainer: two nodes of two ranks."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hydria.deploy.checks import judge
from hydria.deploy.render import render
from hydria.deploy.submit import job_ids
from tests.support.jobs import plan_for
from tests.support.raw_data import config_tree, write_lsms
from tests.support.slurm import SITE, Slurm, asleep, slurm_cluster, wait_until

pytestmark = [pytest.mark.system("slurm"), pytest.mark.xdist_group("slurm")]

EPOCHS = "NeuralNetwork.Training.num_epoch=40"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with slurm_cluster(nodes=4, cpus=2, gpus=2) as cluster:
        yield cluster


@dataclass(frozen=True)
class Workplace:
    """A folder with raw data, a config and the site's description, and the cluster that sees it."""

    folder: Path
    slurm: Slurm

    def submit(self, *words: str) -> str:
        """The id of the job."""
        said = self.slurm.command(
            sys.executable, "-m", "hydria", "submit", "--site", "test-slurm.yaml",
            "--config", "tiny.json", "--nodes", "2", *words, cwd=self.folder,
        )  # fmt: skip
        return said.split()[-1]

    def finish(self, job: str) -> str:
        """Wait for the job to end; what it printed."""
        self.slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=180)
        return (self.folder / f"tiny-{job}.out").read_text()


@dataclass(frozen=True)
class Done:
    """A job that ran to its end."""

    job: str
    output: str
    run: Path


def make_workplace(folder: Path, slurm: Slurm) -> Workplace:
    write_lsms(folder / "raw", count=24)
    shutil.copy(SITE, folder)
    (folder / "tiny.json").write_text(json.dumps(config_tree("raw")))
    return Workplace(folder, slurm)


@pytest.fixture
def workplace(tmp_path: Path, slurm: Slurm) -> Workplace:
    return make_workplace(tmp_path, slurm)


@pytest.fixture(scope="module")
def straight(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A run that nobody stops."""
    place = make_workplace(tmp_path_factory.mktemp("straight"), slurm)
    job = place.submit(EPOCHS)
    return Done(job, place.finish(job), place.folder / "hydria/runs/tiny")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def losses(run: Path) -> list[tuple[int, float]]:
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(row["epoch"], row["train_loss"]) for row in rows]


def test_job_trains_on_two_nodes_of_two_ranks(slurm: Slurm, straight: Done) -> None:
    assert slurm.state_of(straight.job) == "COMPLETED", straight.output
    assert "4 ranks (Slurm" in straight.output
    assert "cores and devices are those planned for test-slurm" in straight.output
    assert read_json(straight.run / "status.json")["state"] == "finished"
    assert set(read_json(straight.run / "results.json")["heads"]) == {
        "free_energy", "charge_density", "magnetic_moment",
    }  # fmt: skip
    assert (straight.run / "report.html").is_file()
    assert slurm.field_of(straight.job, "NumNodes") == "2"
    assert slurm.field_of(straight.job, "NumTasks") == "4"
    Path(f"/tmp/hydria-test-{getpass.getuser()}-{straight.job}").rmdir()  # made by every node


def test_warned_job_saves_requeues_and_ends_as_if_never_stopped(
    workplace: Workplace, straight: Done
) -> None:
    slurm, run = workplace.slurm, workplace.folder / "stopped"
    job = workplace.submit(EPOCHS, "--run-dir", "stopped")
    assert list(job_ids(run)) == [job]
    wait_until(lambda: (run / "metrics.jsonl").exists() and len(losses(run)) >= 2, 180, "no epoch")
    with asleep(read_json(run / "status.json")["pid"]):
        # a minute or two are left now, less than the warning's lead: Slurm sends it by itself
        minutes = slurm.minutes_of(job) + 2
        slurm.command("scontrol", "update", f"jobid={job}", f"timelimit={minutes}")
        output = workplace.folder / f"tiny-{job}.out"
        wait_until(lambda: "the walltime ends soon" in output.read_text(), 120, "no signal")
    slurm.wait_for(job, "PENDING", timeout_s=60)
    stopped = read_json(run / "status.json")
    assert stopped["state"] == "stopped"
    assert stopped["step"] > 0
    assert any((run / "checkpoints").iterdir())

    slurm.command("scontrol", "update", f"jobid={job}", "timelimit=10")
    slurm.start_requeued(job)
    output = workplace.finish(job)
    assert slurm.state_of(job) == "COMPLETED", output
    assert slurm.field_of(job, "Restarts") == "1"
    assert losses(run) == losses(straight.run)


def test_failed_job_is_not_requeued_and_keeps_its_exit_code(workplace: Workplace) -> None:
    (workplace.folder / "raw/structure_003.txt").write_text("not a number\n")
    job = workplace.submit()
    output = workplace.finish(job)
    assert workplace.slurm.state_of(job) == "FAILED"
    assert "structure_003.txt" in output
    assert workplace.slurm.field_of(job, "ExitCode") == "2:0"
    assert workplace.slurm.field_of(job, "Restarts") == "0"


WAIT = """#!/bin/bash
echo "rank $SLURM_PROCID of $SLURM_NTASKS"
touch began
until [ -e go ]; do sleep 0.2; done
"""


def submit_script(place: Workplace, name: str, *words: str, text: str = WAIT) -> list[str]:
    """The ids of the jobs that run a script on two nodes."""
    (place.folder / name).write_text(text)
    said = place.slurm.command(
        sys.executable, "-m", "hydria", "submit", "--site", "test-slurm.yaml",
        "--script", name, "--gpus", "0", "--no-preflight", *words, cwd=place.folder,
    )  # fmt: skip
    return [line.split()[-1] for line in said.splitlines() if line.startswith("Submitted")]


@pytest.mark.parametrize("requeues", [True, False])
def test_lost_node_requeues_or_fails_the_job_as_planned_and_training_goes_on(
    workplace: Workplace, straight: Done, requeues: bool
) -> None:
    slurm, run = workplace.slurm, workplace.folder / "lost"
    if not requeues:
        site = workplace.folder / SITE.name
        site.write_text(site.read_text().replace("requeue: requeue_flag", "requeue: none"))
    job = workplace.submit(EPOCHS, "--run-dir", "lost")
    wait_until(lambda: (run / "metrics.jsonl").exists() and len(losses(run)) >= 3, 180, "no epoch")
    with asleep(read_json(run / "status.json")["pid"]), slurm.lost_node(slurm.last_node_of(job)):
        slurm.wait_for(job, "PENDING" if requeues else "NODE_FAIL", timeout_s=60)
        if requeues:
            assert slurm.field_of(job, "Restarts") == "1"
            slurm.start_requeued(job)
        else:
            job = workplace.submit(EPOCHS, "--run-dir", "lost")
        output = workplace.finish(job)
    assert slurm.state_of(job) == "COMPLETED", output
    resumed = re.search(r"resumed from .*\(epoch (\d+), step", (run / "run.log").read_text())
    assert resumed is not None
    assert int(resumed[1]) >= 2
    assert losses(run) == losses(straight.run)


# What is asked of test-slurm, and whether it can be had.
REQUESTS: dict[str, tuple[dict[str, Any], bool]] = {
    "two nodes": ({"nodes": 2}, True),
    "all nodes": ({"nodes": 4}, True),
    "as long as the queue": ({"walltime": "1h"}, True),
    "all memory of a node": ({"memory": "3G"}, True),
    "one GPU": ({"gpus": 1}, True),
    "no GPU": ({"gpus": 0, "cpus": 2}, True),
    "as much as the short queue": ({"queue": "short", "nodes": 2, "walltime": "10m"}, True),
    "a node too many": ({"nodes": 5}, False),
    "a core too many": ({"cpus": 3, "ranks": 1, "gpus": 1}, False),
    "a GPU too many": ({"gpus": 3}, False),
    "too long": ({"walltime": "61m"}, False),
    "too much memory": ({"memory": "5G"}, False),
    "no such partition": ({"queue": "gpu"}, False),
    "a node too many for the short queue": ({"queue": "short", "nodes": 3}, False),
    "too long for the short queue": ({"queue": "short", "walltime": "11m"}, False),
    "memory twice": ({"directives": ["--mem-per-cpu=1G"]}, False),
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_checks_and_slurm_accept_and_refuse_the_same(workplace: Workplace, request_: str) -> None:
    flags, accepted = REQUESTS[request_]
    place = workplace.folder
    plan = plan_for(str(place / "test-slurm.yaml"), **flags)
    refusals = [str(finding) for finding in judge(plan) if finding.level == "E"]
    assert (refusals == []) is accepted, refusals
    (place / "job.slurm").write_text(render(plan).text)
    tested = subprocess.run(
        ["sbatch", "--test-only", "job.slurm"], cwd=place, env=workplace.slurm.environment,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (tested.returncode == 0) is accepted, tested.stderr


def test_jobs_of_a_sweep_wait_for_one_another(workplace: Workplace) -> None:
    slurm, place = workplace.slurm, workplace.folder
    jobs = submit_script(
        workplace, "wait.sh", "--cpus", "1", "--sweep", "nodes=1,2", "--one-by-one", "--mem", "1G"
    )
    first, second = jobs
    wait_until((place / "began").exists, 60, "the first does not start")
    assert slurm.state_of(second) == "PENDING"
    assert f"afterany:{first}" in slurm.field_of(second, "Dependency")
    (place / "go").touch()
    for job, ranks in ((first, 1), (second, 2)):
        slurm.wait_for(job, "COMPLETED", timeout_s=60)
        assert f"rank 0 of {ranks}" in (place / f"wait-nodes-{ranks}-{job}.out").read_text()
    assert [list(job_ids(place / f"hydria/runs/wait-nodes-{n}")) for n in (1, 2)] == [
        [first],
        [second],
    ]


def test_sweep_over_a_config_is_one_array(workplace: Workplace) -> None:
    slurm, place = workplace.slurm, workplace.folder
    said = slurm.command(
        sys.executable, "-m", "hydria", "submit", "--site", "test-slurm.yaml", "--config",
        "tiny.json", "--task", "prepare", "--cpus", "1", "--mem", "1G", "--no-preflight",
        "--sweep", "NeuralNetwork.Training.seed=1,2", "--array", "2", cwd=place,
    )  # fmt: skip
    array = said.split()[-1]
    for member in (0, 1):
        slurm.wait_for(f"{array}_{member}", "COMPLETED", "FAILED", timeout_s=90)
        assert slurm.state_of(f"{array}_{member}") == "COMPLETED"
    assert slurm.field_of(f"{array}_1", "ArrayTaskId") == "1"
    assert len(list((place / "hydria/data/stores").glob("made-*"))) == 2
    seeds = [(place / f"hydria/runs/tiny-seed-{seed}/job").is_dir() for seed in (1, 2)]
    assert seeds == [True, True]
