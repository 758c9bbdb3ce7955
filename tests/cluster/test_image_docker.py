"""The Docker image of the same stack: the same packages, the same losses."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import IO

import pytest

from hydria._version import __version__
from hydria.deploy.images import docker, tools
from hydria.deploy.images.base import base_image as read_base
from hydria.deploy.images.build import Build
from hydria.deploy.images.container import read_facts
from hydria.deploy.images.docker import build_docker
from hydria.deploy.images.sif import labels_of
from hydria.deploy.images.stack import load_stack
from tests.support.images import EXEC, SHORT, base_image, docker_archive, losses, run

pytestmark = [
    pytest.mark.system("apptainer"),
    pytest.mark.system("buildah"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]


FAST = ("--mksquashfs-args", "-comp zstd -Xcompression-level 1")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Docker image as a SIF."""
    target = tmp_path_factory.mktemp("docker") / "docker.sif"
    source = f"docker-archive:{docker_archive()}"
    run("apptainer", "-s", "build", *FAST, target, source, timeout_s=600)
    return target


def test_packages_and_mpi_are_the_same(image: Path, converted: Path) -> None:
    ours, theirs = read_facts(image), read_facts(converted)
    assert theirs.packages == ours.packages
    assert theirs.mpi == ours.mpi
    assert theirs.python == ours.python
    assert theirs.labels["org.hydria.stack"] == ours.labels["org.hydria.stack"] == "cpu"


def test_the_archive_says_how_to_start_and_to_check_it(converted: Path) -> None:
    with tarfile.open(docker_archive()) as archive:
        (entry,) = json.load(_member(archive, "manifest.json"))
        config = json.load(_member(archive, entry["Config"]))["config"]
    assert config["Entrypoint"] == ["/opt/hydria/bin/hydria"]
    assert config["Healthcheck"]["Test"][-1].startswith("hydria doctor")
    assert config["Labels"]["org.hydria.stack"] == "cpu"
    assert run("apptainer", "-s", "run", converted, "--version").startswith("hydria ")


@pytest.mark.system("podman")
def test_podman_builds_where_it_is_the_first_to_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short recipe in place of the stack's: what podman is told is the same."""
    recipe = (
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG HYDRIA_VERSION PIP_CONFIG_FILE\n"
        "COPY requirements.txt /requirements.txt\n"
        'RUN test -r "$PIP_CONFIG_FILE" && python3 --version > /python\n'
        "LABEL version=${HYDRIA_VERSION}\n"
    )
    monkeypatch.setattr(tools, "DOCKER_BUILDERS", ("podman",))
    monkeypatch.setattr(docker, "print_recipe", lambda *_: recipe)
    archive, image = tmp_path / "hydria-cpu.tar", tmp_path / "hydria-cpu.sif"
    build_docker(Build(load_stack("cpu"), read_base(str(base_image())), archive))
    run("apptainer", "-s", "build", *FAST, image, f"docker-archive:{archive}", timeout_s=600)
    said = run(*EXEC, image, "sh", "-c", "cat /python; ls /mnt; head -1 /requirements.txt")
    assert said.startswith("Python 3.11")
    # nothing of the host's pip configuration is in it
    assert said.splitlines()[1].startswith("# What the image installs")
    assert labels_of(image)["version"] == __version__


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None
    return found


def test_losses_are_the_same(image: Path, converted: Path, open_folder: Path) -> None:
    for name, file in (("sif", image), ("docker", converted)):
        run(
            *EXEC, "--containall", "--env", "OMP_NUM_THREADS=1", "--bind", open_folder,
            "--pwd", open_folder, file, "hydria", "train", "lsms", *SHORT, "--run-dir", name,
            timeout_s=300,
        )  # fmt: skip
    assert losses(open_folder / "docker") == losses(open_folder / "sif")
