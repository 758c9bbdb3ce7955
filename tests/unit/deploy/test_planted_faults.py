"""Acceptance 12 (faults planted in scripts are all caught, by name) and 7 (Katana's own script)."""

from __future__ import annotations

from typing import Any

import pytest

from hydria.deploy.checks import judge
from hydria.deploy.reading import differences
from hydria.deploy.render import render
from tests.support.jobs import plan_for

TWO = {"nodes": 2, "account": "abc123"}
IMAGE = {**TWO, "image": "/x.sif"}
# Fault → site, what is asked, the text, what it becomes, and the name under which it is found.
FAULTS: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "two GPUs swapped": ("perlmutter", TWO, "gpus=(3 2 1 0)", "gpus=(3 2 0 1)", "gpus"),
    "GPUs in the order of ranks": ("polaris", TWO, "gpus=(3 2 1 0)", "gpus=(0 1 2 3)", "gpus"),
    "reserved core in a list": ("aurora", TWO, "list:4-7:", "list:0-3:", "cores"),
    "cores of two sockets": ("aurora", TWO, ":24-27:", ":50-53:", "cores"),
    "mask of another L3 region": ("lumi", TWO, "mask_cpu:fe0", "mask_cpu:7f0", "cores"),
    "reserved core used": ("frontier", TWO, "-c7 --gpus", "-c8 --gpus", "shape"),
    "a rank too many": ("perlmutter", TWO, "-n8 ", "-n9 ", "shape"),
    "peers behind a cgroup": ("perlmutter", TWO, "--gpu-bind=none", "--gpus-per-task=1", "launch"),
    "GPU binding dropped": ("frontier", TWO, " --gpu-bind=closest", "", "launch"),
    "network directive dropped": (
        "frontier", TWO, "#SBATCH --network=disable_rdzv_get\n", "", "carried"),
    "walltime over the bin": ("frontier", TWO, "--time=01:00:00", "--time=12:00:00", "carried"),
    "worker count too high": ("frontier", TWO, "NUM_WORKERS=2", "NUM_WORKERS=20", "env"),
    "threads of a whole node": ("frontier", TWO, "OMP_NUM_THREADS=5", "OMP_NUM_THREADS=64", "env"),
    "memory hooks that deadlock": ("frontier", TWO, "=kdreg2", "=memhooks", "env"),
    "plugin module dropped": (
        "frontier", TWO, "module load rccl-net-plugin ||", "true ||", "modules"),
    "node-local disk not asked for": (
        "frontier", IMAGE, "#SBATCH --constraint=nvme\n", "", "carried"),
    "file systems dropped": ("polaris", TWO, "#PBS -l filesystems=home:eagle\n", "", "carried"),
    "file system of yesterday": ("polaris", TWO, "=home:eagle", "=home:grand", "carried"),
    "execution queue": ("aurora", TWO, "#PBS -q capacity", "#PBS -q small", "carried"),
    "chunk without its GPUs": ("katana", {"gpus": 2}, ":ngpus=2", "", "carried"),
    "device request that is refused": (
        "vista", TWO, "#SBATCH --nodes=2\n", "#SBATCH --nodes=2\n#SBATCH --gres=gpu\n", "carried"),
    "bank dropped": ("tuolumne", TWO, "# flux: --setattr=bank=abc123\n", "", "carried"),
    "GPU flag of the container": ("frontier", IMAGE, "exec --rocm", "exec --nv", "launch"),
    "preflight without its plan": (
        "frontier", TWO, 'hydria doctor --plan "$run_dir/job/plan.json"', "true", "preflight"),
    "plan of preflight bent": ("frontier", TWO, '"gpu": 4}', '"gpu": 0}', "planned"),
    "one restart too many": (
        "frontier", {**TWO, "assume": ["restart.requeue=requeue_flag"]}, "-lt 5 ]", "-lt 50 ]",
        "requeues"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_acceptance_12_planted_fault_is_named(fault: str) -> None:
    site, asked, old, new, name = FAULTS[fault]
    plan = plan_for(site, **asked)
    text = render(plan).text
    assert differences(plan, text) == []
    assert old in text
    found = differences(plan, text.replace(old, new))
    assert [line for line in found if line.startswith((f"{name}:", "the script cannot be read"))]


def test_acceptance_7_one_core_for_each_gpu_is_flagged() -> None:
    """The published script asks for ncpus=2:mem=8gb:ngpus=2."""
    plan = plan_for("katana", gpus=2, cpus=2, memory="8G")
    told = [str(finding) for finding in judge(plan)]
    assert any("1 core per GPU" in text for text in told), told


def test_acceptance_7_chunk_names_the_gpu() -> None:
    text = render(plan_for("katana", gpus=2, memory="64G", constraint="A100")).text
    assert "#PBS -l select=1:ncpus=12:ngpus=2:mem=64gb:gpu_model=A100\n" in text
