"""`hydria doctor` as a job of a real Slurm that binds its ranks: two nodes of two ranks."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.slurm import SITE, Slurm, slurm_cluster

pytestmark = [pytest.mark.system("slurm"), pytest.mark.xdist_group("slurm")]

# What goes wrong → the text of the script, its replacement, and lines of the difference.
FAULTS = {
    "GPUs swapped on the second node": (
        "gpus=(1 0);",
        'gpus=(1 0); [ "$SLURM_NODEID" = 0 ] || gpus=(0 1);',
        "- rank 2 on n2: cores 0, GPU 1\n+ rank 2 on n2: cores 0, GPU 0\n"
        "- rank 3 on n2: cores 1, GPU 0\n+ rank 3 on n2: cores 1, GPU 1\n",
    ),
    "cores swapped": (
        "--cpu-bind=cores",
        "--cpu-bind=map_cpu:1,0",
        "- rank 0 on n1: cores 0, GPU 1\n+ rank 0 on n1: cores 1, GPU 1\n"
        "- rank 1 on n1: cores 1, GPU 0\n+ rank 1 on n1: cores 0, GPU 0\n",
    ),
}


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with slurm_cluster(nodes=2, cpus=2, gpus=2) as cluster:
        yield cluster


def looked_at(slurm: Slurm, folder: Path, old: str = "", new: str = "") -> tuple[str, str, Any]:
    """State of the job, what it printed, and what it wrote, with `old` of its script replaced."""
    shutil.copy(SITE, folder)
    slurm.command(
        sys.executable, "-m", "hydria", "job", "--task", "doctor", "--site", SITE.name,
        "--venv", sys.prefix, "--nodes", "2", "--out", "job.slurm", cwd=folder,
    )  # fmt: skip
    script = folder / "job.slurm"
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new) if old else text)
    job = slurm.submit(script)
    slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=120)
    told = json.loads((folder / "hydria/runs/doctor/job/doctor.json").read_text())
    return slurm.state_of(job), (folder / f"doctor-{job}.out").read_text(), told


def test_ranks_placed_as_planned_are_fine(slurm: Slurm, tmp_path: Path) -> None:
    state, output, told = looked_at(slurm, tmp_path)
    assert state == "COMPLETED", output
    assert "4 ranks on 2 nodes (Slurm)" in output
    assert "n1 (ranks 0-1), n2 (ranks 2-3)" in output
    assert "cores and devices are those planned for test-slurm" in output
    assert [rank["binding"]["cores"] for rank in told["ranks"]] == [[0], [1], [0], [1]]
    assert [rank["devices"]["number"] for rank in told["ranks"]] == [1, 0, 1, 0]


@pytest.mark.parametrize("fault", FAULTS)
def test_ranks_placed_otherwise_fail_with_a_diff(slurm: Slurm, tmp_path: Path, fault: str) -> None:
    old, new, difference = FAULTS[fault]
    state, output, told = looked_at(slurm, tmp_path, old, new)
    assert state == "FAILED", output
    assert told["exit_code"] == 2
    assert difference in output
    listed = output.partition("--- planned")[2]
    assert ("rank 0 on" in listed) is ("rank 0 on" in difference)
