"""Ranks find each other, and nobody else."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hydria.core.errors import LaunchError
from hydria.runtime.environment import read_environment
from hydria.runtime.launch import Ranks, launch_id
from hydria.runtime.rendezvous import forget, rendezvous


def meet(rank: int, folder: Path, env: dict[str, str], timeout_s: float = 20) -> tuple[str, Any]:
    """What the other rank says, and the store: that of rank 0 must outlive the other's."""
    ranks = Ranks(rank, 2, rank, 2, 0, "test")
    store = rendezvous(ranks, env, read_environment(env), folder, timeout_s)
    store.set(f"from {rank}", "hello")
    return str(store.get(f"from {1 - rank}").decode()), store


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def both(folder: Path, env: dict[str, str]) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        met = list(pool.map(lambda rank: meet(rank, folder, env), (1, 0)))
    return [said for said, _ in met]


def test_ranks_meet_through_a_shared_folder_and_leave_nothing(tmp_path: Path) -> None:
    assert both(tmp_path, {}) == ["hello", "hello"]
    forget(tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_passed_over(tmp_path: Path) -> None:
    with socket.socket() as somebody_else:
        somebody_else.bind(("127.0.0.1", 0))
        somebody_else.listen()
        stale = {"hosts": ["127.0.0.1"], "port": free_port(), "nonce": "old"}
        (tmp_path / ".rendezvous-ranks.json").write_text(json.dumps(stale))
        assert both(tmp_path, {}) == ["hello", "hello"]


@pytest.mark.parametrize("prefix", ["", "HYDRAGNN_"])
def test_a_given_address_is_used(tmp_path: Path, prefix: str) -> None:
    env = {f"{prefix}MASTER_ADDR": "127.0.0.1", f"{prefix}MASTER_PORT": str(free_port())}
    assert both(tmp_path, env) == ["hello", "hello"]
    assert not list(tmp_path.iterdir())


def test_a_rank_that_stays_alone_says_so(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"rank 1 of 2: rank 0 did not appear in .* within 0 s"):
        meet(1, tmp_path, {}, timeout_s=0.2)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        with pytest.raises(LaunchError, match=f"no rendezvous at 127.0.0.1:{port}"):
            meet(0, tmp_path, env, timeout_s=1)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "ranks"),
        ({"PMIX_NAMESPACE": "prterun-host-12@1"}, "prterun-host-12_1"),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "2"}, "7.2"),
    ],
)
def test_launches_are_told_apart(env: dict[str, str], expected: str) -> None:
    assert launch_id(env) == expected
