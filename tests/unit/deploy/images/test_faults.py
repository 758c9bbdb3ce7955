"""What can be wrong with programs, machines and image files, and what is said about it."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.images.base import BaseImage, base_image
from hydria.deploy.images.build import failure, whole_or_nothing
from hydria.deploy.images.container import check_image
from hydria.deploy.images.sif import architecture_of
from hydria.deploy.images.tools import (
    check_apptainer,
    check_can_build,
    check_can_mount,
    check_can_run,
    find_docker_builder,
)

Programs = Callable[[str, str], None]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A PATH that holds only what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, does: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.mark.usefixtures("programs")
def test_no_apptainer() -> None:
    with pytest.raises(DeployError, match="apptainer: expected the program on PATH, got none"):
        check_apptainer()


def test_apptainer_too_old(programs: Programs) -> None:
    programs("singularity", "echo apptainer version 1.0.3")
    with pytest.raises(DeployError, match=r"expected apptainer 1\.1 or newer, got 1\.0\.3"):
        check_apptainer()


def test_singularity_will_do(programs: Programs) -> None:
    programs("singularity", "echo singularity-ce version 4.1.2-1")
    check_apptainer()


def test_apptainer_without_its_second_name(programs: Programs) -> None:
    programs("apptainer", "echo apptainer version 1.4.5")
    with pytest.raises(DeployError, match=r"singularity: expected .*/apptainer under this name"):
        check_apptainer()


@pytest.mark.usefixtures("programs")
def test_no_docker_builder() -> None:
    with pytest.raises(DeployError, match=r"buildah, podman, docker on PATH, got none.*buildah"):
        find_docker_builder()


def test_first_docker_builder_is_taken(programs: Programs) -> None:
    programs("docker", "true")
    assert find_docker_builder() == "docker"
    programs("podman", "true")
    assert find_docker_builder() == "podman"


def test_docker_without_its_daemon(programs: Programs) -> None:
    programs("docker", "exit 1")
    with pytest.raises(DeployError, match=r"got docker, whose daemon does not answer.*buildah"):
        find_docker_builder()


def test_no_user_namespaces(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "max_user_namespaces").write_text("0\n")
    with pytest.raises(DeployError, match=r"sysctl user\.max_user_namespaces=15000"):
        check_can_build(tmp_path)
    (tmp_path / "user" / "max_user_namespaces").write_text("15000\n")
    check_can_build(tmp_path)


@pytest.mark.usefixtures("ordinary_user")
def test_no_user_namespaces_for_users(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "unprivileged_userns_clone").write_text("0\n")
    with pytest.raises(DeployError, match=r"sysctl kernel\.unprivileged_userns_clone=1"):
        check_can_build(tmp_path)


@pytest.mark.usefixtures("ordinary_user")
@pytest.mark.parametrize(("setuid", "runs"), [("0", False), ("1", True)])
def test_no_user_namespaces_to_run_in(
    tmp_path: Path, programs: Programs, setuid: str, runs: bool
) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "max_user_namespaces").write_text("0\n")
    programs("singularity", f"echo APPTAINER_SUID_INSTALL={setuid}")
    expected = (
        contextlib.nullcontext()
        if runs
        else pytest.raises(DeployError, match=r"no user namespaces.*or for Apptainer's package")
    )
    with expected:
        check_can_run(tmp_path)


@pytest.mark.usefixtures("ordinary_user")
def test_no_fuse(tmp_path: Path) -> None:
    said = check_can_mount(tmp_path / "fuse")
    assert said is not None
    assert "cannot be opened" in said
    (tmp_path / "fuse").touch(0o666)
    assert check_can_mount(tmp_path / "fuse") is None


CODES = {"x86_64": b"02\0", "aarch64": b"04\0"}


def header(code: bytes) -> bytes:
    return b"#!/usr/bin/env run-singularity\n\0" + b"SIF_MAGIC\0" + b"01\0" + code + b"\0" * 80


def test_image_for_other_processors(tmp_path: Path) -> None:
    other = next(name for name in CODES if name != platform.machine())
    image = tmp_path / "x.sif"
    image.write_bytes(header(CODES[other]))
    assert architecture_of(image) == other
    with pytest.raises(DeployError, match=f"expected an image for {platform.machine()}, got one"):
        check_image(image)


def test_image_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"no such image.*hydria image build"):
        check_image(tmp_path / "x.sif")
    (tmp_path / "x.sif").write_text("text")
    with pytest.raises(DeployError, match="expected an Apptainer image"):
        check_image(tmp_path / "x.sif")


def test_base_is_read_by_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "a.sif").write_bytes(header(CODES[platform.machine()]))
    (tmp_path / "a.tar").touch()
    assert base_image("debian:bookworm-slim") == BaseImage("registry", "debian:bookworm-slim")
    assert base_image(str(tmp_path)).kind == "rootfs"
    assert base_image(str(tmp_path / "a.sif")).kind == "sif"
    assert base_image(str(tmp_path / "a.tar")).kind == "archive"
    for missing in ("./b.sif", "b.tar", str(tmp_path / "c")):
        with pytest.raises(DeployError, match=r"--base: .* does not exist"):
            base_image(missing)
    (tmp_path / "b.sif").write_text("text")
    with pytest.raises(DeployError, match="expected an Apptainer image"):
        base_image(str(tmp_path / "b.sif"))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("FATAL: write: No space left on device", "the disk is full.*APPTAINER_TMPDIR"),
        ("FATAL: Get: dial tcp: no such host", ".*registry cannot be reached.*--base"),
        ("FATAL: something else", "the build failed with exit code 255"),
    ],
)
def test_reason_is_said_first(said: str, meaning: str) -> None:
    assert re.match(meaning, str(failure(f"INFO: x\n{said}\n", 255)), re.S)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_no_half_image_under_the_final_name(tmp_path: Path, error: type[BaseException]) -> None:
    image = tmp_path / "x.sif"
    image.write_text("before")

    def stopped() -> None:
        with whole_or_nothing(image) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        stopped()
    assert image.read_text() == "before"
    assert os.listdir(tmp_path) == ["x.sif"]
