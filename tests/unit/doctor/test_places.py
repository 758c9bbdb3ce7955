"""Folders: their file system, and a file that is written, synced, read and deleted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hydria.doctor.places import (
    Mount,
    is_shared,
    mount_of,
    place_facts,
    places_of,
    probe,
    read_mounts,
)

MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /lustre/orion rw - lustre 10.0.0.1@tcp:/orion rw
31 22 0:41 / /scratch\040two rw - nfs4 server:/two rw
32 22 0:42 / /tmp rw - xfs /dev/sdb rw
33 22 0:43 / /tmp rw - tmpfs none rw
"""


def test_last_and_deepest_mount_holds_a_path(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO)
    mounts = read_mounts(file)
    kinds = {
        "/home/me": "ext4",
        "/lustre/orion/abc/run": "lustre",
        "/lustre/orionis": "ext4",
        "/scratch two/x": "nfs4",
        "/tmp/x": "tmpfs",
    }
    assert {path: mount_of(Path(path), mounts).kind for path in kinds} == kinds


def test_no_mounts_known_is_no_error() -> None:
    assert mount_of(Path("/tmp"), ()) == Mount("/", "unknown")
    assert read_mounts(Path("/nonexistent")) == ()


@pytest.mark.parametrize(
    ("kind", "shared"), [("lustre", True), ("ext4", False), ("fuse.something", None)]
)
def test_type_tells_whether_other_nodes_see_it(kind: str, shared: bool | None) -> None:
    assert is_shared(kind) is shared


def test_probe_leaves_nothing_and_finds_the_clock_right(tmp_path: Path) -> None:
    took_ms, offset_s = probe(tmp_path)
    assert took_ms > 0
    assert abs(offset_s) < 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_failing_probe_becomes_the_error_of_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fails(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fails)
    place = place_facts("run folder", tmp_path, read_mounts())
    assert place.error == os.strerror(code)
    assert not list(tmp_path.iterdir())


def test_folder_to_be_made_is_judged_by_the_one_above(tmp_path: Path) -> None:
    place = place_facts("data", tmp_path / "not/yet", read_mounts())
    assert (place.probed, place.error) == (str(tmp_path), None)
    assert place.free_mib is not None
    assert not (tmp_path / "not").exists()


def test_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    assert place_facts("run folder", tmp_path / "run", ()).error == os.strerror(errno.ENOTDIR)


def test_caches_that_variables_name_are_looked_at(tmp_path: Path) -> None:
    env = {"TMPDIR": "/scratch/tmp", "TRITON_CACHE_DIR": "/tmp/triton", "MPLCONFIGDIR": ""}
    assert list(places_of(env, tmp_path / "run", tmp_path / "data")) == [
        ("run folder", tmp_path / "run"),
        ("data", tmp_path / "data"),
        ("temporary files", Path("/scratch/tmp")),
        ("TRITON_CACHE_DIR", Path("/tmp/triton")),
    ]
