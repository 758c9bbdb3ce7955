"""Bringing an image to a site."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hydria.config.site import Site
from hydria.core.errors import DeployError
from hydria.deploy.images.stage import copy_here, plan_delivery, record
from hydria.deploy.sites import load_site


def with_runtime(runtime: str | None) -> Site:
    site = load_site("frontier").site
    fact = site.container.runtime.model_copy(update={"value": runtime})
    return site.model_copy(
        update={"container": site.container.model_copy(update={"runtime": fact})}
    )


def test_a_sif_is_copied() -> None:
    delivery = plan_delivery(Path("hydria-rocm.sif"), with_runtime("apptainer"), "/lustre/x.sif")
    assert delivery.commands == (
        "rsync --partial --progress hydria-rocm.sif frontier:/lustre/x.sif",
    )
    assert delivery.image == "/lustre/x.sif"


def test_a_docker_archive_becomes_a_sif_first() -> None:
    delivery = plan_delivery(Path("a b.tar"), with_runtime("singularity"), "/x.sif")
    assert delivery.commands[0] == "apptainer build 'a b.sif' 'docker-archive:a b.tar'"
    assert "'a b.sif' frontier:/x.sif" in delivery.commands[1]


@pytest.mark.parametrize(
    ("runtime", "command", "image"),
    [
        ("podman-hpc", "podman-hpc migrate localhost/hydria:cuda", "localhost/hydria:cuda"),
        ("pyxis", "enroot import -o /x.sqsh podman://localhost/hydria:cuda", "/x.sqsh"),
        ("shifter", "shifterimg pull REGISTRY/hydria:hydria-cuda", "REGISTRY/hydria:hydria-cuda"),
    ],
)
def test_other_runtimes_take_the_archive(runtime: str, command: str, image: str) -> None:
    delivery = plan_delivery(Path("hydria-cuda.tar"), with_runtime(runtime), "/x.tar")
    assert delivery.commands[-1] == command
    assert delivery.image == image
    with pytest.raises(DeployError, match="expected a Docker archive"):
        plan_delivery(Path("hydria-cuda.sif"), with_runtime(runtime), "/x.tar")


@pytest.mark.parametrize("runtime", [None, "none"])
def test_a_site_without_runtime_is_refused(runtime: str | None) -> None:
    with pytest.raises(DeployError, match="expected a site with a container runtime"):
        plan_delivery(Path("x.sif"), with_runtime(runtime), "/x.sif")


def test_the_place_is_recorded_beside_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "hydria.yaml"
    file.write_text("account: abc\nsites: {frontier: {queue: batch}}\n")
    record("frontier", "/x.sif", file)
    assert yaml.safe_load(file.read_text()) == {
        "account": "abc",
        "sites": {"frontier": {"queue": "batch", "image": "/x.sif"}},
    }


def test_comments_are_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "hydria.yaml"
    file.write_text("account: abc # mine\n")
    with pytest.raises(DeployError, match="has comments") as caught:
        record("frontier", "/x.sif", file)
    assert "image: /x.sif" in str(caught.value)
    assert file.read_text() == "account: abc # mine\n"


def test_a_copy_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    image = tmp_path / "x.sif"
    image.write_bytes(b"image")
    copy_here(image, tmp_path / "to" / "y.sif")
    assert (tmp_path / "to" / "y.sif").read_bytes() == b"image"
    with pytest.raises(DeployError, match="could not be written"):
        copy_here(image, image / "z.sif")
