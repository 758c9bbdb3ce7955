"""Which launcher says which rank this is."""

from __future__ import annotations

import pytest

from hydria.core.errors import LaunchError
from hydria.runtime.launch import Ranks, detect_ranks, expand_tasks_per_node

TORCHRUN = {
    "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_RANK": "1",
}  # fmt: skip
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_COMM_WORLD_NODE_RANK": "1",
}  # fmt: skip
PALS = {
    "PALS_RANKID": "13", "PALS_LOCAL_RANKID": "1", "PALS_NODEID": "1", "PMI_RANK": "13",
    "PMI_SIZE": "24", "PMI_LOCAL_RANK": "1", "PMI_LOCAL_SIZE": "12",
}  # fmt: skip
HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
FLUX = {
    "FLUX_TASK_RANK": "2", "FLUX_JOB_SIZE": "4", "FLUX_TASK_LOCAL_ID": "0", "FLUX_JOB_NNODES": "2",
    "PMI_RANK": "2", "PMI_SIZE": "4",
}  # fmt: skip
SLURM_STEP = {
    "SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "16", "SLURM_STEP_TASKS_PER_NODE": "8(x2)", "SLURM_NTASKS": "16",
    "SLURM_JOB_ID": "77",
}  # fmt: skip
SLURM_BATCH = {
    "SLURM_PROCID": "0", "SLURM_NTASKS": "16", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
    "SLURM_JOB_ID": "77", "SLURM_TASKS_PER_NODE": "8(x2)",
}  # fmt: skip


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, Ranks()),
        (TORCHRUN, Ranks(5, 8, 1, 4, 1, "torchrun")),
        (OPEN_MPI, Ranks(3, 4, 1, 2, 1, "Open MPI")),
        (PALS, Ranks(13, 24, 1, 12, 1, "PMI")),
        (HYDRA, Ranks(1, 2, 1, 2, 0, "PMI")),
        (FLUX, Ranks(2, 4, 0, 2, 1, "Flux")),
        (SLURM_STEP, Ranks(9, 16, 1, 8, 1, "Slurm")),
    ],
    ids=["single", "torchrun", "open-mpi", "pals", "hydra", "flux", "slurm-step"],
)
def test_each_launcher_is_read(env: dict[str, str], expected: Ranks) -> None:
    assert detect_ranks(env) == expected


@pytest.mark.parametrize(
    ("env", "source"),
    [
        (SLURM_STEP | FLUX | PALS | OPEN_MPI | TORCHRUN, "torchrun"),
        (SLURM_STEP | FLUX | PALS | OPEN_MPI, "Open MPI"),
        (SLURM_STEP | FLUX | PALS, "PMI"),
        (SLURM_STEP | FLUX, "Flux"),
        (SLURM_BATCH | OPEN_MPI, "Open MPI"),
    ],
)
def test_order_and_one_source_for_all_values(env: dict[str, str], source: str) -> None:
    alone = {
        "torchrun": TORCHRUN, "Open MPI": OPEN_MPI, "PMI": PALS, "Flux": FLUX,
    }  # fmt: skip
    assert detect_ranks(env) == detect_ranks(alone[source])


@pytest.mark.parametrize("step", [None, "4294967291", "4294967290", "batch", ""])
def test_slurm_counts_only_inside_an_ordinary_step(step: str | None) -> None:
    env = SLURM_BATCH if step is None else SLURM_BATCH | {"SLURM_STEP_ID": step}
    assert detect_ranks(env) == Ranks()


def test_slurm_pmi2_variables_do_not_look_like_hydra() -> None:
    env = SLURM_STEP | {"PMI_RANK": "9", "PMI_SIZE": "16", "PMI_FD": "7"}
    assert detect_ranks(env).source == "Slurm"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2"}, "expected LOCAL_RANK"),
        (TORCHRUN | {"RANK": "8"}, "expected a rank from 0 to 7, got 8"),
        (TORCHRUN | {"WORLD_SIZE": "two"}, "WORLD_SIZE: expected a whole number, got 'two'"),
        (TORCHRUN | {"LOCAL_RANK": "4"}, "expected a local rank from 0 to 3"),
        (HYDRA | {"MPI_LOCALNRANKS": "3"}, "expected at most 2 ranks on a node"),
    ],
)
def test_incomplete_or_contradicting_values_are_refused(env: dict[str, str], said: str) -> None:
    with pytest.raises(LaunchError, match=said):
        detect_ranks(env)


def test_tasks_per_node_expand() -> None:
    assert expand_tasks_per_node("2(x3),1") == [2, 2, 2, 1]


def test_last_slurm_node_may_have_fewer_ranks() -> None:
    env = SLURM_STEP | {
        "SLURM_STEP_NUM_TASKS": "9", "SLURM_STEP_TASKS_PER_NODE": "8,1", "SLURM_PROCID": "8",
        "SLURM_LOCALID": "0",
    }  # fmt: skip
    assert detect_ranks(env).local_world_size == 1
