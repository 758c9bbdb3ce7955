"""Does an image hold what its stack says, and does it fit a site?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hydria.config.site import Site
from hydria.core.errors import DeployError
from hydria.deploy.images.container import Facts
from hydria.deploy.images.lock import pins
from hydria.deploy.images.stack import Stack, load_stack

VENDOR = {"nvidia": "cuda", "amd": "rocm", "intel": "xpu"}
BUILT_FOR = {"cuda": "cuda", "rocm": "hip", "xpu": "xpu"}
OCI = "org.opencontainers.image"


@dataclass(frozen=True)
class Row:
    """One thing looked at; `expected` is empty where nothing is."""

    what: str
    expected: str
    got: str
    fine: bool


def verify(facts: Facts, site: Site | None = None) -> list[Row]:
    """All rows, of the image alone and, with `site`, of image and site together."""
    name = facts.labels.get("org.hydria.stack")
    if name is None:
        raise DeployError(
            "org.hydria.stack: expected the label of a Hydria image, got none. "
            "Hint: hydria image build makes such an image"
        )
    stack = load_stack(name)
    rows = [*_of_image(facts, stack)]
    return rows + ([*_of_site(facts, stack, site)] if site else [])


def _of_image(facts: Facts, stack: Stack) -> Iterator[Row]:
    labelled = facts.labels.get(f"{OCI}.version", "")
    yield _equal("hydria", labelled, facts.packages.get("hydria", "none"))
    revision = facts.labels.get(f"{OCI}.revision", "")
    yield Row("git revision", "", revision or "not labelled", bool(revision))
    yield _pins(facts, stack)
    yield _equal("python", stack.python.version, facts.python.rpartition(".")[0])
    architectures = " or ".join(stack.architectures)
    yield Row(
        "architecture", architectures, facts.architecture, facts.architecture in stack.architectures
    )
    yield _equal("torch built for", stack.accelerator, accelerator_of(facts))
    yield _equal("MPI of the image", f"MPICH {stack.mpi.version}", mpi_of(facts))
    yield Row("C library", "", facts.glibc, True)


def _pins(facts: Facts, stack: Stack) -> Row:
    wanted = pins(stack.requirements)
    absent = stack.absent(facts.architecture)
    wrong = [
        f"{name} {facts.packages.get(name, 'missing')} instead of {version}"
        for name, version in wanted.items()
        if name not in absent and facts.packages.get(name, "").split("+")[0] != version
    ]
    got = "; ".join(wrong) or f"{len(wanted) - len(absent)} packages as pinned"
    return Row("packages", f"containers/{stack.name}/requirements.txt", got, not wrong)


def _of_site(facts: Facts, stack: Stack, site: Site) -> Iterator[Row]:
    fits = site.arch in ("any", facts.architecture)
    yield Row(f"processors of {site.name}", site.arch, facts.architecture, fits)
    gpus = site.node.gpus
    if gpus is not None and gpus.vendor is not None:
        wanted = VENDOR[gpus.vendor]
        fine = (
            accelerator_of(facts) in (wanted, "cpu")
            if site.scheduler.kind == "local"
            else (accelerator_of(facts) == wanted)
        )
        yield Row(f"GPUs of {site.name}", wanted, accelerator_of(facts), fine)
    abi = site.container.mpi_abi
    if abi is not None:
        yield _abi(facts, stack, site)
    yield _c_library(facts, site)


def _abi(facts: Facts, stack: Stack, site: Site) -> Row:
    """Whether the site's MPI can take the place of the image's."""
    from packaging.specifiers import SpecifierSet

    what = f"MPI that {site.name} binds over"
    abi = site.container.mpi_abi
    if abi is None or abi.value is None:
        return Row(what, "unknown", mpi_of(facts), False)
    wanted = f"{abi.value.family} {abi.value.version_range}"
    family, _, version = mpi_of(facts).lower().partition(" ")
    fine = family == abi.value.family and version in SpecifierSet(abi.value.version_range)
    return Row(what, wanted, mpi_of(facts), fine)


def _c_library(facts: Facts, site: Site) -> Row:
    """Libraries that a machine binds into an image find the image's C library, not their own."""
    from packaging.version import Version

    what = f"C library for those of {site.name}"
    here = site.container.glibc.value if site.container.glibc else None
    if site.scheduler.kind == "local":
        here = str(os.confstr("CS_GNU_LIBC_VERSION")).split()[-1]
    if here is None:
        return Row(what, "", f"{facts.glibc}; theirs is unknown, `ldd --version` there tells", True)
    fine = Version(facts.glibc.split()[-1]) >= Version(here)
    return Row(what, f"glibc {here} or newer", facts.glibc, fine)


def accelerator_of(facts: Facts) -> str:
    """What the image's torch was built for."""
    for accelerator, kind in BUILT_FOR.items():
        if facts.torch.get(kind):
            return accelerator
    return "cpu" if facts.torch.get("version") else f"nothing: {facts.torch.get('error')}"


def mpi_of(facts: Facts) -> str:
    """`MPICH 4.1.3`, from the long text with which a library introduces itself."""
    found = re.search(r"(MPICH|Open MPI)\D*?(\d+(?:\.\d+)+)", facts.mpi)
    return f"{found[1]} {found[2]}" if found else facts.mpi.splitlines()[0]


def _equal(what: str, expected: str, got: str) -> Row:
    return Row(what, expected, got, expected == got)
