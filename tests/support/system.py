"""What tests need from the system beyond Python packages: how to see it, how to install it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class SystemPart:
    """Programs that must be found, and the Debian packages that bring them."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]

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
}


def unavailable() -> dict[str, list[str]]:
    """Part → programs that it lacks on this machine."""
    return {name: missing for name, part in PARTS.items() if (missing := part.missing())}


def install(names: Iterable[str]) -> None:
    """Install the packages of the named parts with apt; CalledProcessError if that fails."""
    packages = sorted({package for name in names for package in PARTS[name].packages})
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
    ):
        print("+ " + " ".join(command), flush=True)
        subprocess.run(command, check=True, env=environment, timeout=1200)
