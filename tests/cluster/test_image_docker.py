"""The Docker image of the same stack: the same packages, the same losses."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_health_check_and_entry_point_are_hydria(converted: Path) -> None:
    assert run("apptainer", "-s", "run", converted, "--version").startswith("hydria ")
    oci = json.loads(run("apptainer", "-s", "inspect", "--json", "--oci-config", converted))
    assert "/opt/hydria/bin/hydria" in json.dumps(oci)


def test_losses_are_the_same(image: Path, converted: Path, open_folder: Path) -> None:
    for name, file in (("sif", image), ("docker", converted)):
        run(
            *EXEC, "--containall", "--env", "OMP_NUM_THREADS=1", "--bind", open_folder,
            "--pwd", open_folder, file, "hydria", "train", "lsms", *SHORT, "--run-dir", name,
            timeout_s=300,
        )  # fmt: skip
    assert losses(open_folder / "docker") == losses(open_folder / "sif")
