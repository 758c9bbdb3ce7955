"""A base made from a Debian mirror, for machines that reach no container registry."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from hydria.core.errors import DeployError
from hydria.deploy.images.build import SQUASH, apptainer_build, whole_or_nothing, workplace
from hydria.deploy.images.recipe import templates
from hydria.deploy.images.stack import Stack
from hydria.deploy.images.tools import check_apptainer, check_can_build

log = logging.getLogger(__name__)
SBIN = ":/usr/sbin:/sbin"


def release_of(stack: Stack) -> str:
    """Debian's name of the release that the stack's base is."""
    found = re.fullmatch(r"debian:([a-z]+)(?:-slim)?", stack.base.image)
    if found is None:
        raise DeployError(
            f"{stack.name}: expected a stack on a Debian base, got {stack.base.image}: only "
            "Debian can be made from a mirror. Hint: --base IMAGE for `hydria image build`"
        )
    return found[1]


def mirror_here(release: str) -> str:
    """The mirror that apt of this machine uses for `release`."""
    if shutil.which("apt-get"):
        command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
        done = subprocess.run(
            [*command, "Created-By: Packages", f"Release: {release}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.stdout.split():
            return done.stdout.split()[0]
    raise DeployError(
        f"--mirror: expected a Debian mirror, got none, and apt knows none for {release}. "
        "Hint: run apt-get update, or give --mirror URL"
    )


def build_base(
    stack: Stack, output: Path, mirror: str = "", say: Callable[[str], None] = log.info
) -> Path:
    """A SIF with the base's release and the stack's system packages; returns its path."""
    release = release_of(stack)
    mirror = mirror or mirror_here(release)
    check_apptainer()
    check_can_build()
    if shutil.which("debootstrap", path=os.environ.get("PATH", "") + SBIN) is None:
        raise DeployError(
            "debootstrap: expected the program, got none. Hint: apt-get install debootstrap"
        )
    with workplace() as work, whole_or_nothing(output) as partial:
        text = (
            templates()
            .get_template("local-base.def.j2")
            .render(release=release, packages=" ".join(package.name for package in stack.packages))
        )
        (work / "base.def").write_text(text, encoding="utf-8")
        options = ["--fakeroot", *SQUASH, "--build-arg", f"MIRROR={mirror}"]
        with _sbin_on_path():
            apptainer_build(partial, "base.def", options, say, work)
    return output


@contextlib.contextmanager
def _sbin_on_path() -> Iterator[None]:
    """debootstrap calls programs that ordinary users' PATH may lack."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = before + SBIN
    try:
        yield
    finally:
        os.environ["PATH"] = before
