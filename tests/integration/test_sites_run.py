"""Every site's script from end to end, on stand-ins that insist on the site's own rules.

Acceptance 8 (loss printed, exit code 0, the real trainer on two ranks) and 9 (warned before its
end, checkpoint, back into the queue, on at the saved epoch, a bounded number of times).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    "tuolumne": [*TWO_NODES, "--assume", "node.reserved_cores=0-2,24-26,48-50,72-74"],
}


# Acceptance 5: where a device cgroup would cut ranks off from their peers.
PEERS_VISIBLE = {"perlmutter", "lumi", "polaris"}


@pytest.fixture(scope="module")
def warm() -> Iterator[Path]:
    # a socket's path may have 107 characters: pytest's own folders can be too deep
    place = tempfile.TemporaryDirectory(prefix="hydria-warm-")
    with place as folder, warm_server(Path(folder) / "door") as door:
        yield door


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files, a config, and one data root for all: it is prepared by the first job only."""
    folder = tmp_path_factory.mktemp("data")
    write_lsms(folder / "raw", count=24)
    (folder / "tiny.json").write_text(json.dumps(config_tree(folder / "raw")))
    return folder


# Those whose ranks run in an image; of each scheduler one.
IN_IMAGES = {
    "frontier": [],
    "polaris": ["--accept-unverified"],
    "tuolumne": ["--assume", "container.runtime=apptainer"],
}


def in_image(folder: Path) -> list[str]:
    """An image for a container runtime that contains nothing."""
    image = folder / "hydria.sif"
    image.write_text("an image")
    return ["--image", str(image)]


def asked(machine: Machine, data: Path) -> list[str]:
    flags = FLAGS.get(machine.name, TWO_NODES)
    return ["--config", str(data / "tiny.json"), "--data", str(data / "root"), *flags]


@pytest.mark.parametrize("name", sorted(set(site_names()) - {"local"}))
def test_acceptance_8_script_runs_from_end_to_end(
    tmp_path: Path, warm: Path, data: Path, name: str
) -> None:
    machine = Machine(tmp_path, name, warm)
    image = [*in_image(tmp_path), *IN_IMAGES[name]] if name in IN_IMAGES else []
    submitted = machine.submit(*asked(machine, data), *image)
    assert submitted.returncode == 0, submitted.stderr
    job = machine.start_next()
    assert job.finish() == 0, job.output
    assert (tmp_path / "images").exists() is (name in IN_IMAGES)
    assert json.loads((machine.run_dir / "status.json").read_text())["state"] == "finished"
    assert len(machine.epochs()) == 2
    assert "RMSE" in job.output
    assert "2 ranks" in job.output
    assert_preflight_found_every_rank_in_its_place(machine)
    assert_ranks_are_where_they_were_planned(machine)


# Machines whose sites say which cores and which GPU each rank has.
PLACED = {"aurora", "frontier", "lumi", "perlmutter", "polaris", "tuolumne"}


def assert_preflight_found_every_rank_in_its_place(machine: Machine) -> None:
    """`hydria doctor` ran as every rank of the job, and what it saw is the plan."""
    told = json.loads((machine.run_dir / "job/doctor.json").read_text())
    plan = json.loads((machine.run_dir / "job/plan.json").read_text())
    nodes = {rank["host"]["name"] for rank in told["ranks"]}
    assert (told["exit_code"], told["missing"], told["differences"]) == (0, [], [])
    assert (len(told["ranks"]), len(nodes)) == (plan["ranks"], plan["nodes"]["value"])
    assert bool(plan["placement"]) is (machine.name in PLACED)


def assert_ranks_are_where_they_were_planned(machine: Machine) -> None:
    """The cores and the device that the stand-in gave to every rank are those of the plan."""
    planned = json.loads((machine.run_dir / "job/plan.json").read_text())["placement"]
    steps = [step for step in machine.notes("steps") if "train" in step["command"]]
    if not planned:  # the site's file leaves it to the launcher
        return
    for place, given in zip(planned, steps[0]["places"], strict=True):
        assert given["cores"] == place["cores"]
        own = own_device(machine, given)
        assert own == place["gpu"]
        low, high = machine.rules.nearest[own]
        assert set(place["cores"]) <= set(range(low, high + 1))
    if machine.name in PEERS_VISIBLE:
        assert all(len(given["visible"]) == machine.rules.gpus for given in steps[0]["places"])


def own_device(machine: Machine, given: dict[str, Any]) -> int:
    """The node's number of the device that a rank computes on."""
    if given["own"] is not None:
        return int(given["own"])
    masked = [step for step in machine.notes("steps") if "rank" in step["command"]]
    if masked:
        words = masked[0]["command"]
        order = words[words.index("-c") + 1].partition("gpus=(")[2].partition(")")[0].split()
        return int(order[given["local_rank"]])
    return int(given["local_rank"])  # torch.cuda.set_device(local rank)


# Acceptance 9, in an image, with restart.max set to 1.
GOING_ON = {
    "frontier": [*TWO_NODES, "--assume", "restart.requeue=requeue_flag"],
    "katana": ["--gpus", "2", "--assume", "restart.requeue=resubmit"],
}


@pytest.mark.parametrize("name", GOING_ON)
def test_acceptance_9_warned_job_goes_on_a_bounded_number_of_times(
    tmp_path: Path, warm: Path, data: Path, name: str
) -> None:
    machine = Machine(tmp_path, name, warm)
    machine.change_site("  max: 5", "  max: 1")
    config = ["--config", str(data / "tiny.json"), "NeuralNetwork.Training.num_epoch=3000"]
    words = [*config, "--data", str(data / "root"), *in_image(tmp_path), *GOING_ON[name]]
    submitted = machine.submit(*words)
    assert submitted.returncode == 0, submitted.stderr

    saved = warned(machine, epochs=2)
    assert len(machine.queued()) == 1
    assert warned(machine, epochs=len(machine.epochs()) + 2) > saved
    assert machine.queued() == []
    assert machine.epochs() == list(range(len(machine.epochs())))
    assert list(tmp_path.glob("images"))


def warned(machine: Machine, epochs: int) -> int:
    """Run the next job, warn it after some epochs; the step that its checkpoint holds."""
    job = machine.start_next()
    machine.wait_for_epochs(epochs, job)
    job.warn()
    assert job.finish() == 75, job.output
    status = json.loads((machine.run_dir / "status.json").read_text())
    assert status["state"] == "stopped", job.output
    assert any((machine.run_dir / "checkpoints").iterdir())
    return int(status["step"])


# Site → a line that its machine refuses, in the place of another.
REFUSED = {
    "vista": ("#SBATCH --nodes=2\n", "#SBATCH --nodes=2\n#SBATCH --gres=gpu:1\n"),
    "perlmutter": ("#SBATCH --constraint=gpu\n", ""),
    "frontier": ("#SBATCH --account=abc123\n", ""),
    "polaris": ("#PBS -l filesystems=home:eagle\n", ""),
    "aurora": ("#PBS -q capacity\n", "#PBS -q small\n"),
    "tuolumne": ("# flux: --exclusive\n", "# flux: --exclusive\n# flux: --gpus-per-task=1\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_stand_in_refuses_what_the_machine_refuses(
    tmp_path: Path, warm: Path, data: Path, name: str
) -> None:
    machine = Machine(tmp_path, name, warm)
    assert machine.submit(*asked(machine, data), "--out", "job", "--dry-run").returncode == 0
    script, (old, new) = tmp_path / "job", REFUSED[name]
    assert machine.hand_over(script).returncode == 0
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))
    assert machine.hand_over(script).returncode == 1
    assert len(machine.queued()) == 1


# Site → what is changed in its script, and rank 0 of it as planned and as found.
MISPLACED = {
    "perlmutter": ("gpus=(3 2 1 0)", "gpus=(2 3 1 0)", "0-15, GPU 3", "0-15, GPU 2"),
    "frontier": ("--gpu-bind=closest", "--gpu-bind=none", "1-7, GPU 4", "1-7, GPU 0"),
    "lumi": ("fe000000000000,fe00000000000000,", "fe00000000000000,fe000000000000,",
             "49-55, GPU 0", "57-63, GPU 0"),
    "polaris": ("gpus=(3 2 1 0)", "gpus=(0 1 2 3)", "0-7, GPU 3", "0-7, GPU 0"),
    "aurora": ("list:4-7:8-11:", "list:8-11:4-7:", "4-7, GPU 0", "8-11, no GPU"),
    "tuolumne": ("--tasks-per-node=4", "--tasks-per-node=4 bash -c "
                 "'export ROCR_VISIBLE_DEVICES=$((3 - FLUX_TASK_LOCAL_ID)); exec \"$@\"' rank",
                 "3-23, GPU 0", "3-23, GPU 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISPLACED)
def test_misplaced_ranks_stop_the_job_with_a_diff(
    tmp_path: Path, warm: Path, data: Path, name: str
) -> None:
    machine = Machine(tmp_path, name, warm)
    assert machine.submit(*asked(machine, data), "--out", "job", "--dry-run").returncode == 0
    script, (old, new, planned, found) = tmp_path / "job", MISPLACED[name]
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))
    assert machine.hand_over(script).returncode == 0
    job = machine.start_next()
    assert job.finish() == 2, job.output
    host = "node1" if machine.rules.kind != "slurm" else "n1"
    assert f"--- planned for {name}\n+++ found\n" in job.output
    assert f"- rank 0 on {host}: cores {planned}\n+ rank 0 on {host}: cores {found}\n" in job.output
    assert "the machine is not as planned" in job.output
    assert {note["words"][0] for note in machine.notes("hydria")} == {"doctor"}


def test_job_that_a_routing_queue_would_drop_never_reaches_it(
    tmp_path: Path, warm: Path, data: Path
) -> None:
    machine = Machine(tmp_path, "polaris", warm)
    words = ["--config", str(data / "tiny.json"), "--account", "a", "--queue", "prod"]
    refused = machine.submit(*words, "--nodes", "10", "--walltime", "24h")
    assert refused.returncode == 2
    assert not [call for call in machine.calls() if call.startswith("qsub")]

    words += ["--nodes", "10", "--walltime", "3h", "--out", "job"]
    accepted = machine.submit(*words)
    assert accepted.returncode == 0, accepted.stderr
    assert len(machine.queued()) == 1
    script = tmp_path / "job"
    script.write_text(script.read_text().replace("walltime=03:00:00", "walltime=24:00:00"))
    dropped = machine.hand_over(script)
    (queued,) = machine.queued()
    assert (dropped.returncode, dropped.stdout) == (0, f"{int(queued) + 1}.server\n")


def test_step_inherits_no_cores_and_a_cgroup_hides_peers(tmp_path: Path, warm: Path) -> None:
    machine = Machine(tmp_path, "frontier", warm)
    env = machine.environment({"SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_PER_TASK": "7"})
    for words in (["-n8"], ["-n8", "-c7", "--gpus-per-task=1", "--gpu-bind=closest"]):
        subprocess.run(["srun", "-N1", *words, "true"], env=env, check=True, timeout=60)
    bare, bound = (step["places"] for step in machine.notes("steps"))
    assert [place["cores"] for place in bare][:3] == [[1], [2], [3]]
    assert [place["visible"] for place in bare] == [list(range(8))] * 8
    assert [place["visible"] for place in bound] == [[4], [5], [2], [3], [6], [7], [0], [1]]


def test_image_and_data_are_staged_or_read_where_they_lie(
    tmp_path: Path, warm: Path, data: Path
) -> None:
    machine = Machine(tmp_path, "frontier", warm)
    image = in_image(tmp_path)
    words = [*asked(machine, data), *image, "NeuralNetwork.Training.num_epoch=1"]
    assert machine.submit(*words).returncode == 0
    staged = machine.start_next()
    assert staged.finish() == 0, staged.output
    (folder,) = (tmp_path / "disk").glob("*/hydria-*")
    assert (folder / "image").read_text() == "an image"
    trained = [note for note in machine.notes("hydria") if note["words"][0] == "train"]
    assert {note["HYDRIA_DATA"] for note in trained} == {str(folder)}
    assert str(folder / "image") in (tmp_path / "images").read_text().splitlines()


def test_broken_broadcast_does_not_cost_the_job(tmp_path: Path, warm: Path, data: Path) -> None:
    machine = Machine(tmp_path, "frontier", warm)
    image = in_image(tmp_path)
    (tmp_path / "bin/sbcast").write_text('#!/bin/bash\necho half > "${@: -1}"\nexit 1\n')
    words = [*asked(machine, data), *image, "--stage", "image"]
    assert machine.submit(*words, "NeuralNetwork.Training.num_epoch=1").returncode == 0
    job = machine.start_next()
    assert job.finish() == 0, job.output
    assert "the image could not be staged: it is read where it lies" in job.output
    assert set((tmp_path / "images").read_text().splitlines()) == {image[-1]}


def test_every_site_has_a_stand_in() -> None:
    assert set(MACHINES) == set(site_names()) - {"local"}
