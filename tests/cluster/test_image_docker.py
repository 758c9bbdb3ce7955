"""The Docker image of the same stack: the same packages, the same losses."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import IO

import pytest

from hydria.deploy.images.container import read_facts
from tests.support.images import EXEC, SHORT, docker_archive, losses, run

pytestmark = [
    pytest.mark.system("apptainer"),
    pytest.mark.system("buildah"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Docker image as a SIF."""
    target = tmp_path_factory.mktemp("docker") / "docker.sif"
    fast = ("--mksquashfs-args", "-comp zstd -Xcompression-level 1")
    source = f"docker-archive:{docker_archive()}"
    run("apptainer", "-s", "build", *fast, target, source, timeout_s=600)
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
