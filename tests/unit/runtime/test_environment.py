"""The variables that change a run, and those a receipt keeps."""

from __future__ import annotations

import pytest

from hydria.core.errors import LaunchError
from hydria.runtime.environment import (
    HONOURED,
    Environment,
    read_environment,
    recorded,
    without_effect,
)


def test_nothing_set_means_defaults() -> None:
    assert read_environment({}) == Environment()


def test_documented_variables_are_read() -> None:
    env = {
        "HYDRAGNN_BACKEND": "GLOO",
        "HYDRAGNN_MASTER_ADDR": "node1",
        "HYDRAGNN_MASTER_PORT": "12345",
        "HYDRAGNN_AGGR_BACKEND": "mpi",
        "HYDRAGNN_NUM_WORKERS": "4",
        "HYDRAGNN_MAX_NUM_BATCH": "10",
        "HYDRAGNN_VALTEST": "0",
        "HYDRIA_DEVICE": "cpu",
    }
    assert read_environment(env) == Environment(
        backend="gloo",
        device="cpu",
        master_addr="node1",
        master_port=12345,
        aggr_backend="mpi",
        num_workers=4,
        max_num_batch=10,
        valtest=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HYDRAGNN_BACKEND", "smoke", "expected one of nccl, gloo, xccl, got 'smoke'"),
        ("HYDRAGNN_NUM_WORKERS", "-1", "expected a whole number from 0 to 1024, got '-1'"),
        ("HYDRAGNN_MASTER_PORT", "70000", "from 1 to 65535"),
        ("HYDRAGNN_MAX_NUM_BATCH", "0", "from 1"),
    ],
)
def test_unusable_values_are_named(name: str, value: str, said: str) -> None:
    with pytest.raises(LaunchError, match=f"{name}: .*{said}"):
        read_environment({name: value})


def test_receipt_keeps_what_explains_a_run_and_no_secret() -> None:
    env = {
        "NCCL_DEBUG": "INFO", "HYDRAGNN_NUM_WORKERS": "2", "SLURM_JOB_ID": "1", "RANK": "0",
        "PMI_SHARED_SECRET": "x", "SLURM_JWT": "y", "HOME": "/home/me", "AWS_KEY": "z",
    }  # fmt: skip
    kept = {"HYDRAGNN_NUM_WORKERS", "NCCL_DEBUG", "RANK", "SLURM_JOB_ID"}
    assert set(recorded(env)) == kept


def test_variables_without_effect_are_named() -> None:
    env = dict.fromkeys(HONOURED, "1") | {
        "HYDRAGNN_USE_VARIABLE_GRAPH_SIZE": "1",
        "HYDRAGNN_USE_ddstore": "0",
        "HYDRAGNN_USE_FSDP": "1",
        "HYDRAGNN_NUM_WORKER": "4",
    }
    assert without_effect(env) == ["HYDRAGNN_NUM_WORKER", "HYDRAGNN_USE_FSDP"]
