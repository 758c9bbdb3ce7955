"""The programs that build and run images: which are here, and whether they can do it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from hydria.core.errors import DeployError

OLDEST_APPTAINER = (1, 1)
INSTALL = "apptainer.org says how to install it; on a cluster try `module avail apptainer`"
# Docker-format builders, the first one that works is taken.
DOCKER_BUILDERS = ("buildah", "podman", "docker")


def check_apptainer() -> None:
    """DeployError when Apptainer, or SingularityCE in its place, is missing or too old.

    spython calls either `singularity`, a name that both bring.
    """
    program = shutil.which("singularity")
    if program is None:
        apptainer = shutil.which("apptainer")
        if apptainer:
            raise DeployError(
                f"singularity: expected {apptainer} under this name too, got none. "
                f"Hint: ln -s {apptainer} FOLDER/singularity, for a FOLDER on PATH"
            )
        raise DeployError(f"apptainer: expected the program on PATH, got none. Hint: {INSTALL}")
    said = _output([program, "--version"])
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None:
        raise DeployError(f"{program} --version: expected a version, got {said.strip()!r}")
    version = tuple(int(part) for part in found.groups() if part)
    if "apptainer" in said and version < OLDEST_APPTAINER:
        least = ".".join(map(str, OLDEST_APPTAINER))
        raise DeployError(
            f"{program}: expected apptainer {least} or newer, got {found[0]}. Hint: {INSTALL}"
        )


def find_docker_builder() -> str:
    """Name of the program that builds Docker images here."""
    here = [name for name in DOCKER_BUILDERS if shutil.which(name)]
    for name in here:
        if name != "docker" or _daemon_answers():
            return name
    got = "docker, whose daemon does not answer" if here else "none"
    raise DeployError(
        f"expected one of {', '.join(DOCKER_BUILDERS)} on PATH, got {got}. "
        "Hint: install buildah (apt-get install buildah); it needs no daemon and no root"
    )


def _daemon_answers() -> bool:
    """Whether docker can do anything here: `docker version` asks the daemon for its own."""
    done = subprocess.run(["docker", "version"], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


# Kernel settings without which there are no user namespaces → the value to ask for
NAMESPACES = {"user.max_user_namespaces": 15000, "kernel.unprivileged_userns_clone": 1}


def check_can_build(settings: Path = Path("/proc/sys")) -> None:
    """Builds happen in a user namespace, root's too; DeployError says who can switch it on."""
    _check_namespaces(settings, "build elsewhere and copy")


def check_can_run(settings: Path = Path("/proc/sys")) -> None:
    """Ordinary users run images in a user namespace, or through a starter that belongs to root."""
    if os.geteuid() != 0 and "_SUID_INSTALL=1" not in _output(["singularity", "buildcfg"]):
        _check_namespaces(settings, "for Apptainer's package with the setuid starter")


def _check_namespaces(settings: Path, otherwise: str) -> None:
    for name, value in NAMESPACES.items():
        setting = settings / name.replace(".", "/")
        if os.geteuid() == 0 and "unprivileged" in name:
            continue
        if setting.is_file() and int(setting.read_text()) == 0:
            raise DeployError(
                f"{name}: expected at least 1, got 0: there are no user namespaces. "
                f"Hint: ask for `sysctl {name}={value}`, or {otherwise}"
            )


def check_can_mount(device: Path = Path("/dev/fuse")) -> str | None:
    """What will be slow for ordinary users, None when nothing is."""
    if os.geteuid() == 0 or os.access(device, os.R_OK | os.W_OK):
        return None
    return (
        f"{device} cannot be opened: an image file must be unpacked at every start, which takes "
        "minutes. Hint: ask for `chmod 666 /dev/fuse`, or build a folder with --sandbox once"
    )


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout or done.stderr
