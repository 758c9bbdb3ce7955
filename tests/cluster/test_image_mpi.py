"""MPI through the image: the host's launcher with the image's MPICH, and with the host's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.images import EXEC, run

pytestmark = [
    pytest.mark.system("apptainer"),
    pytest.mark.system("mpich"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]
LAUNCH = ("mpiexec.mpich", "-n", "2")
PROGRAM = """
from mpi4py import MPI
world = MPI.COMM_WORLD
total = world.allreduce(world.rank + 1)
version = MPI.Get_library_version().split()[2]
lines = world.gather(f"rank {world.rank} of {world.size} sum {total} version {version}")
if world.rank == 0:
    print("\\n".join(lines))
"""
# The C library stays the image's own; all else that the host's MPI needs comes with it.
OF_THE_SYSTEM = re.compile(r"lib(c|m|dl|rt|pthread|util)\.so|ld-linux|libgcc_s|libstdc\+\+")


def host_mpi_binds() -> list[str]:
    """Binds that put Debian's MPICH where the image looks for a site's."""
    library = Path(run("sh", "-c", "ls /usr/lib/*/libmpich.so.12").strip())
    needed = re.findall(r"(\S+) => (/\S+)", run("ldd", library))
    wanted = {name: Path(path) for name, path in needed if not OF_THE_SYSTEM.match(name)}
    wanted["libmpi.so.12"] = library
    return [
        f"--bind={path.resolve()}:/opt/site/mpi/{name}:ro" for name, path in sorted(wanted.items())
    ]


def answers(version: str) -> list[str]:
    return [f"rank {rank} of 2 sum 3 version {version}" for rank in range(2)]


@pytest.fixture
def program(open_folder: Path) -> Path:
    file = open_folder / "program.py"
    file.write_text(PROGRAM)
    return file


def test_hosts_launcher_starts_ranks_of_the_image(image: Path, program: Path) -> None:
    said = run(*LAUNCH, *EXEC, "--bind", program.parent, image, "python", program)
    assert said.splitlines() == answers("4.1.3")


def test_hosts_mpi_takes_the_place_of_the_images(image: Path, program: Path) -> None:
    bound = host_mpi_binds()
    said = run(*LAUNCH, *EXEC, *bound, "--bind", program.parent, image, "python", program)
    assert said.splitlines() == answers("4.0.2")


def test_images_own_launcher_works_too(image: Path, program: Path) -> None:
    inside = ("mpiexec", "-n", "2", "python", program)
    said = run(*EXEC, "--bind", program.parent, image, *inside)
    assert said.splitlines() == answers("4.1.3")


def test_hosts_launcher_trains(image: Path, open_folder: Path) -> None:
    run(
        *LAUNCH, *EXEC, "--bind", open_folder, "--pwd", open_folder, image,
        "hydria", "train", "lsms", "NeuralNetwork.Training.num_epoch=1", timeout_s=300,
    )  # fmt: skip
    log = (open_folder / "runs/lsms/run.log").read_text()
    assert "2 ranks" in log
    assert (open_folder / "runs/lsms/results.json").is_file()
