"""Checkpoints appear whole or not at all, and damaged ones are passed over."""

from __future__ import annotations

import json
import logging
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from hydria.core.errors import CheckpointError
from hydria.train import checkpoint as checkpoints

STATE: dict[str, Any] = {
    "model": {"weight": torch.arange(2000.0)},
    "nested": [{"numbers": (1, 2.5, "text", None, float("inf"))}],
}


def steps(run_dir: Path) -> list[int]:
    return [found.step for found in checkpoints.newest_first(run_dir)]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: writing fails as on a full disk, also for root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_state_comes_back(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 42, STATE, {"epoch": 3, "best": True})
    assert path == tmp_path / "checkpoints" / "step-00000042"
    found = checkpoints.newest(tmp_path)
    assert found is not None
    assert (found.step, found.is_best, found.manifest["epoch"]) == (42, True, 3)
    loaded = checkpoints.load(found)
    assert torch.equal(loaded["model"]["weight"], STATE["model"]["weight"])
    assert loaded["nested"] == STATE["nested"]


def test_manifest_tells_size_and_digest(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, STATE, {})
    entry = json.loads((path / "manifest.json").read_text())["files"]["state.pt"]
    assert entry["bytes"] == (path / "state.pt").stat().st_size
    assert len(entry["sha256"]) == 64


@pytest.mark.parametrize("damage", ["cut", "flipped", "no state", "no manifest", "cut manifest"])
def test_damaged_newest_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    checkpoints.save(tmp_path, 1, STATE, {})
    newest = checkpoints.save(tmp_path, 2, STATE, {})
    state, manifest = newest / "state.pt", newest / "manifest.json"
    data = state.read_bytes()
    flipped = data[:900] + bytes([data[900] ^ 1]) + data[901:]
    actions = {
        "cut": lambda: state.write_bytes(data[: len(data) // 2]),
        "flipped": lambda: state.write_bytes(flipped),
        "no state": state.unlink,
        "no manifest": manifest.unlink,
        "cut manifest": lambda: manifest.write_bytes(manifest.read_bytes()[:40]),
    }
    actions[damage]()
    with caplog.at_level(logging.WARNING, logger="hydria"):
        found = checkpoints.newest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert "step-00000002" in caplog.text
    assert "damaged checkpoint" in caplog.text


def test_no_whole_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path) is None
    assert checkpoints.best(tmp_path) is None
    (checkpoints.save(tmp_path, 1, STATE, {}) / "state.pt").write_bytes(b"")
    assert checkpoints.newest(tmp_path) is None


def test_full_disk_leaves_the_one_before_usable_and_no_litter(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, STATE, {})
    with largest_file(4096), pytest.raises(CheckpointError) as caught:
        checkpoints.save(tmp_path, 2, STATE, {})
    assert "step-00000002: could not be written: File too large" in str(caught.value)
    assert "step-00000001) stays usable" in str(caught.value)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    found = checkpoints.newest(tmp_path)
    assert found is not None
    assert checkpoints.load(found)["nested"] == STATE["nested"]


def test_same_step_replaces_a_damaged_one(tmp_path: Path) -> None:
    (checkpoints.save(tmp_path, 1, STATE, {}) / "state.pt").write_bytes(b"torn")
    checkpoints.save(tmp_path, 1, STATE, {"epoch": 9})
    found = checkpoints.newest(tmp_path)
    assert found is not None
    assert found.manifest["epoch"] == 9
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step in range(1, 7):
        checkpoints.save(tmp_path, step, STATE, {"best": step in (1, 3)})
    (tmp_path / "checkpoints" / ".step-00000007.123").mkdir()  # a writer was killed
    checkpoints.prune(tmp_path, keep=2)
    assert steps(tmp_path) == [6, 5, 3]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    best = checkpoints.best(tmp_path)
    assert best is not None
    assert best.step == 3


def test_best_falls_back_on_the_newest(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, STATE, {"best": True})
    checkpoints.save(tmp_path, 2, STATE, {})
    (tmp_path / "checkpoints" / "step-00000001" / "state.pt").write_bytes(b"torn")
    best = checkpoints.best(tmp_path)
    assert best is not None
    assert best.step == 2


def test_what_is_no_state_is_not_executed(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, STATE, {})
    torch.save({"path": Path("x")}, path / "state.pt")  # an object, not data
    found = next(checkpoints.newest_first(tmp_path))
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load(found)
    with pytest.raises(CheckpointError, match="damaged checkpoint"):
        checkpoints.verify(found)


def test_foreign_schema_is_refused(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, STATE, {}) / "manifest.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(CheckpointError, match="expected schema 1, got 99"):
        checkpoints.load(next(checkpoints.newest_first(tmp_path)))


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, STATE, {})
    shutil.copytree(tmp_path / "checkpoints" / "step-00000001", tmp_path / "checkpoints" / "mine")
    checkpoints.prune(tmp_path, keep=1)
    assert (tmp_path / "checkpoints" / "mine").is_dir()
