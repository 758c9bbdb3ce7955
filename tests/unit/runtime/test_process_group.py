"""Devices and threads of a rank."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
import torch

from hydria.core.errors import LaunchError
from hydria.runtime import process_group
from hydria.runtime.determinism import set_deterministic
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World, choose_device, set_threads
from hydria.runtime.receipt import config_hash, make_receipt


@pytest.fixture
def four_devices(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    fake = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: fake.count, set_device=lambda device: None
    )
    fake.count = 4
    monkeypatch.setattr(torch, "cuda", fake)
    return fake


def test_each_rank_takes_the_device_of_its_local_rank(four_devices: SimpleNamespace) -> None:
    assert choose_device(Ranks(6, 8, 2, 4), Environment()) == torch.device("cuda", 2)


def test_a_single_visible_device_is_number_0(four_devices: SimpleNamespace) -> None:
    four_devices.count = 1
    assert choose_device(Ranks(3, 4, 3, 4), Environment()) == torch.device("cuda", 0)


def test_more_ranks_than_devices_are_refused(four_devices: SimpleNamespace) -> None:
    with pytest.raises(LaunchError, match="expected at most 4 ranks on this node"):
        choose_device(Ranks(4, 5, 4, 5), Environment())


def test_cpu_can_be_asked_for(four_devices: SimpleNamespace) -> None:
    assert choose_device(Ranks(), Environment(device="cpu")) == torch.device("cpu")


def test_ranks_share_the_cores_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    set_threads(Ranks(0, 4, 0, 4), {})
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})  # bound by the launcher
    set_threads(Ranks(0, 4, 0, 4), {})
    set_threads(Ranks(0, 4, 0, 4), {"OMP_NUM_THREADS": "3"})
    assert chosen == [2, 2]


def test_determinism_is_the_default_on_the_cpu_only() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    try:
        assert set_deterministic(None, torch.device("cpu"))
        assert torch.are_deterministic_algorithms_enabled()
        assert not set_deterministic(None, torch.device("cuda"))
        assert not set_deterministic(False, torch.device("cpu"))
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(before)


def test_single_process_needs_no_group(tmp_path: object) -> None:
    world = process_group.start(Ranks(), {"OMP_NUM_THREADS": "1"}, Environment(device="cpu"), None)  # type: ignore[arg-type]
    assert world == World(Ranks(), torch.device("cpu"))


def test_receipt_tells_what_ran() -> None:
    env = {"OMP_NUM_THREADS": "1", "SLURM_JOB_ID": "5"}
    receipt = make_receipt(
        World(Ranks(), torch.device("cpu")), Environment(), env, {"b": 1, "a": 2}
    )
    assert receipt["launch"] == "single"
    assert receipt["world_size"] == len(receipt["ranks"]) == 1
    assert receipt["ranks"][0]["device"] == "cpu"
    assert {"hydria", "python", "torch"} <= receipt["versions"].keys()
    assert receipt["environment"] == env
    assert receipt["config_sha256"] == config_hash({"a": 2, "b": 1})
    assert json.loads(json.dumps(receipt)) == receipt
