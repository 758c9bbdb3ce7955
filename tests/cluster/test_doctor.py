"""`hydria doctor` as the preflight of a real Slurm job: `srun` over two nodes of two ranks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.slurm import Slurm, slurm_cluster

pytestmark = [pytest.mark.system("slurm"), pytest.mark.xdist_group("slurm")]

# Binds each rank to one core and shows it one (made-up) GPU; the second node may do it wrongly.
BIND = """#!/bin/bash
core=$SLURM_LOCALID
[ "$SLURM_NODEID:$WRONG" != 1:yes ] || core=$((1 - core))
export CUDA_VISIBLE_DEVICES=$((3 - core)) HYDRIA_DEVICE=cpu OMP_NUM_THREADS=1
exec taskset -c "$core" "$@"
"""
JOB = """#!/bin/bash
export WRONG={wrong}
srun -N2 -n4 --ntasks-per-node=2 -c1 ./bind.sh {python} -m hydria doctor \\
    --plan plan.json --run-dir run --json told.json
"""
PLAN = {
    "site": "test-slurm", "ranks": 4, "nodes": {"value": 2}, "ranks_per_node": {"value": 2},
    "environment": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    "placement": [
        {"local_rank": 0, "cores": [0], "gpu": 3},
        {"local_rank": 1, "cores": [1], "gpu": 2},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with slurm_cluster(nodes=2, cpus=2) as cluster:
        yield cluster


def preflight(slurm: Slurm, folder: Path, wrong: bool) -> tuple[str, str, Any]:
    """State of the job, what it printed, and what it wrote."""
    (folder / "plan.json").write_text(json.dumps(PLAN))
    (folder / "bind.sh").write_text(BIND)
    (folder / "bind.sh").chmod(0o755)
    script = JOB.format(wrong="yes" if wrong else "no", python=sys.executable)
    (folder / "job.sh").write_text(script)
    words = ("sbatch", "--parsable", "-N2", "--ntasks-per-node=2", "-o", "out", "job.sh")
    job = slurm.command(*words, cwd=folder).strip()
    slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=120)
    output = (folder / "out").read_text()
    return slurm.state_of(job), output, json.loads((folder / "told.json").read_text())


def test_job_placed_as_planned_may_go_on(slurm: Slurm, tmp_path: Path) -> None:
    state, output, told = preflight(slurm, tmp_path, wrong=False)
    assert state == "COMPLETED", output
    assert "4 ranks on 2 nodes (Slurm)" in output
    assert "n1 (ranks 0-1), n2 (ranks 2-3)" in output
    assert "cores and devices are those planned for test-slurm" in output
    assert [rank["devices"]["number"] for rank in told["ranks"]] == [3, 2, 3, 2]
    assert not list((tmp_path / "run").iterdir())


def test_job_placed_otherwise_is_stopped_with_a_diff(slurm: Slurm, tmp_path: Path) -> None:
    state, output, told = preflight(slurm, tmp_path, wrong=True)
    assert state == "FAILED", output
    assert told["exit_code"] == 2
    assert [difference["rank"] for difference in told["differences"]] == [2, 3]
    assert "- rank 2 on n2: cores 0, GPU 3\n+ rank 2 on n2: cores 1, GPU 2\n" in output
    assert "rank 0 on" not in output.partition("--- planned")[2]
