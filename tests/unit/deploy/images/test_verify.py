"""Judging what an image holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hydria.config.facts import Fact
from hydria.core.errors import DeployError
from hydria.deploy.images.container import Facts
from hydria.deploy.images.lock import pins
from hydria.deploy.images.sbom import sbom
from hydria.deploy.images.stack import load_stack
from hydria.deploy.images.verify import mpi_of, verify
from hydria.deploy.sites import load_site

CPU = load_stack("cpu")
GOOD = Facts(
    labels={
        "org.hydria.stack": "cpu",
        "org.opencontainers.image.version": "1.0",
        "org.opencontainers.image.revision": "abc",
    },
    python="3.11.2",
    architecture="x86_64",
    glibc="glibc 2.36",
    packages=pins(CPU.requirements) | {"hydria": "1.0", "torch": "2.13.0+cpu"},
    torch={"version": "2.13.0+cpu", "cuda": None, "hip": None, "xpu": None},
    mpi="MPICH Version:\t4.1.3\nMPICH Release date: Wed",
)


def wrong(facts: Facts, site: str | None = None) -> dict[str, str]:
    rows = verify(facts, load_site(site).site if site else None)
    return {row.what: row.got for row in rows if not row.fine}


def test_a_good_image_has_nothing_wrong() -> None:
    assert wrong(GOOD) == {}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"packages": GOOD.packages | {"numpy": "1.0"}}, "packages"),
        ({"packages": GOOD.packages | {"hydria": "0.9"}}, "hydria"),
        ({"python": "3.12.1"}, "python"),
        ({"architecture": "ppc64le"}, "architecture"),
        ({"torch": GOOD.torch | {"cuda": "13.0"}}, "torch built for"),
        ({"torch": {"error": "no torch"}}, "torch built for"),
        ({"mpi": "Open MPI v5.0.11"}, "MPI of the image"),
        ({"labels": {"org.hydria.stack": "cpu"}}, "git revision"),
    ],
)
def test_each_fault_is_named(change: dict[str, object], what: str) -> None:
    assert what in wrong(replace(GOOD, **change))  # type: ignore[arg-type]


def test_a_cpu_image_does_not_fit_a_site_of_gpus() -> None:
    assert wrong(GOOD, "frontier") == {"GPUs of frontier": "cpu"}


@pytest.mark.parametrize(("version", "fits"), [("4.1.3", True), ("3.4.3", True), ("5.0.2", False)])
def test_mpi_must_lie_in_the_sites_range(version: str, fits: bool) -> None:
    found = wrong(replace(GOOD, mpi=f"MPICH Version: {version}"), "frontier")
    assert ("MPI that frontier binds over" not in found) == fits


@pytest.mark.parametrize(("there", "fits"), [("2.31", True), ("2.36", True), ("2.38", False)])
def test_libraries_of_a_site_find_a_c_library_that_is_new_enough(there: str, fits: bool) -> None:
    site = load_site("frontier").site
    container = site.container.model_copy(update={"glibc": Fact[str](value=there)})
    site = site.model_copy(update={"container": container})
    rows = {row.what: row for row in verify(GOOD, site)}
    assert rows["C library for those of frontier"].fine is fits


def test_a_c_library_that_nobody_knows_is_said_to_be_unknown() -> None:
    rows = {row.what: row.got for row in verify(GOOD, load_site("frontier").site)}
    assert "theirs is unknown" in rows["C library for those of frontier"]


def test_an_image_of_somebody_else_is_refused() -> None:
    with pytest.raises(DeployError, match="expected the label of a Hydria image"):
        verify(replace(GOOD, labels={}))


def test_libraries_introduce_themselves_differently() -> None:
    assert mpi_of(GOOD) == "MPICH 4.1.3"
    assert mpi_of(replace(GOOD, mpi="Open MPI v5.0.11, package: x")) == "Open MPI 5.0.11"
    assert mpi_of(replace(GOOD, mpi="none: cannot load MPI library")).startswith("none")


def test_bill_of_materials_lists_every_package() -> None:
    tree = json.loads(sbom(GOOD))
    assert tree["bomFormat"] == "CycloneDX"
    found = {part["name"]: part["version"] for part in tree["components"]}
    assert found == GOOD.packages
    assert tree["metadata"]["component"]["name"] == "hydria-cpu"
    assert tree["components"][0]["purl"].startswith("pkg:pypi/")
