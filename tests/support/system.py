"""What tests need from the system beyond Python packages: how to see it, how to install it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SystemPart:
    """Programs that must be found, and what brings them.

    Attributes:
        packages: of Debian 12.
        installer: a script for what Debian 12 does not have; it runs after the packages.
    """

    programs: tuple[str, ...]
    packages: tuple[str, ...] = ()
    installer: Path | None = None

    def source(self) -> str:
        """What brings the programs, for people."""
        script = [str(self.installer)] if self.installer else []
        return " ".join([*self.packages, *script])

    def missing(self) -> list[str]:
        """The programs that are not here; daemons live in sbin, which users' PATH may lack."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return [program for program in self.programs if shutil.which(program, path=path) is None]


# The name is the argument of @pytest.mark.system(name).
PARTS = {
    "slurm": SystemPart(
        programs=("sbatch", "srun", "slurmctld", "slurmd", "munged"),
        packages=("slurm-wlm", "munge"),
    ),
    # what `srun --mpi=pmix` loads is in -dev; -bin holds a program by which it is found
    "pmix": SystemPart(programs=("pmix_info",), packages=("libpmix-dev", "libpmix-bin")),
    "apptainer": SystemPart(
        programs=("apptainer", "mksquashfs", "debootstrap"),
        packages=("python3",),
        installer=Path(__file__).parent / "apptainer" / "install.sh",
    ),
    "buildah": SystemPart(programs=("buildah",), packages=("buildah",)),
    # rootless: user namespaces, a runtime, files as one's own user
    "podman": SystemPart(
        programs=("podman", "crun", "newuidmap"), packages=("podman", "crun", "uidmap")
    ),
    # podman-hpc keeps images in overlays of a user's own, and runc takes any control groups
    "podman-hpc": SystemPart(
        programs=("runc", "fuse-overlayfs"), packages=("runc", "fuse-overlayfs")
    ),
    "mpich": SystemPart(programs=("mpiexec.mpich",), packages=("mpich",)),
}


def unavailable() -> dict[str, list[str]]:
    """Part → programs that it lacks on this machine."""
    return {name: missing for name, part in PARTS.items() if (missing := part.missing())}


def install(names: Iterable[str]) -> None:
    """Install the named parts: packages with apt, then scripts; CalledProcessError if one fails."""
    parts = [PARTS[name] for name in names]
    packages = sorted({package for part in parts for package in part.packages})
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    commands = [
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
    ]
    commands += [["bash", str(part.installer)] for part in parts if part.installer]
    for command in commands:
        print("+ " + " ".join(command), flush=True)
        subprocess.run(command, check=True, env=environment, timeout=1200)
