"""Bringing an image to a site."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from hydria.config.job import JobConfig
from hydria.config.site import Site
from hydria.core.errors import DeployError
from hydria.deploy.images.archive import read_archive
from hydria.deploy.images.sif import MAGIC
from hydria.deploy.images.stage import Delivery, deliver, plan_delivery, record
from hydria.deploy.request import gather
from hydria.deploy.sites import load_site

NAME = "localhost/hydria:cuda"
DOCKER = {"manifest.json": [{"RepoTags": [NAME]}]}
OCI = {
    "oci-layout": {"imageLayoutVersion": "1.0.0"},
    "index.json": {
        "manifests": [{"annotations": {"org.opencontainers.image.ref.name": NAME}}],
    },
}


def archive(path: Path, files: Mapping[str, object]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, tree in files.items():
            data = json.dumps(tree).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def sif(tmp_path: Path) -> Path:
    path = tmp_path / "hydria-rocm.sif"
    path.write_bytes(b"\0" * 32 + MAGIC + b"\0" * 100)
    return path


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    return archive(tmp_path / "hydria cuda.tar", DOCKER)


def with_runtime(runtime: str | None) -> Site:
    site = load_site("frontier").site
    fact = site.container.runtime.model_copy(update={"value": runtime})
    return site.model_copy(
        update={"container": site.container.model_copy(update={"runtime": fact})}
    )


def commands(delivery: Delivery) -> list[str]:
    return [str(step) for step in delivery.steps]


def test_a_sif_is_copied(sif: Path) -> None:
    delivery = plan_delivery(sif, with_runtime("apptainer"), "/lustre/x.sif")
    assert commands(delivery) == [f"rsync --partial --progress {sif} frontier:/lustre/x.sif"]
    assert delivery.image == "/lustre/x.sif"


def test_an_archive_becomes_a_sif_first(docker: Path, tmp_path: Path) -> None:
    made = tmp_path / "hydria cuda.sif"
    first, second = commands(plan_delivery(docker, with_runtime("singularity"), "/x.sif"))
    assert first == f"apptainer build '{made}' 'docker-archive:{docker}'"
    assert second == f"rsync --partial --progress '{made}' frontier:/x.sif"
    oci = archive(tmp_path / "oci.tar", OCI)
    (at_once,) = commands(plan_delivery(oci, with_runtime("apptainer"), "/x.sif", here=True))
    assert at_once == f"apptainer build /x.sif oci-archive:{oci}"


def test_a_site_that_allows_it_is_told_how_to_build_there(sif: Path) -> None:
    notes = plan_delivery(sif, load_site("polaris").site, "/eagle/x.sif").notes
    assert "hydria image build STACK --output /eagle/x.sif" in notes[0]
    assert notes[1] == "a build there needs: module load spack-pe-base apptainer"


@pytest.mark.parametrize(
    ("runtime", "to", "last", "image"),
    [
        ("podman-hpc", "/x.tar", f"podman-hpc migrate {NAME}", NAME),
        ("pyxis", "/x.tar", f"enroot import -o /x.sqsh podman://{NAME}", "/x.sqsh"),
        ("shifter", "reg.org/me/hydria:1", "shifterimg pull reg.org/me/hydria:1",
         "reg.org/me/hydria:1"),
    ],
)  # fmt: skip
def test_other_runtimes_take_the_archive(
    runtime: str, to: str, last: str, image: str, docker: Path, sif: Path
) -> None:
    delivery = plan_delivery(docker, with_runtime(runtime), to)
    assert commands(delivery)[-1] == last
    assert delivery.image == image
    with pytest.raises(DeployError, match="expected a Docker archive, got an Apptainer image"):
        plan_delivery(sif, with_runtime(runtime), to)


def test_podman_may_be_given_an_oci_archive(docker: Path) -> None:
    made, *rest = commands(plan_delivery(docker, with_runtime("podman-hpc"), "/x.oci.tar", True))
    assert made == f"skopeo copy 'docker-archive:{docker}' oci-archive:/x.oci.tar:{NAME}"
    assert rest[0] == "podman-hpc load -i /x.oci.tar"


def test_shifter_needs_a_name_in_a_registry(docker: Path) -> None:
    with pytest.raises(DeployError, match=r"registry.example.org/hydria:cuda, got '/x.tar'"):
        plan_delivery(docker, with_runtime("shifter"), "/x.tar")


@pytest.mark.parametrize("runtime", [None, "none"])
def test_a_site_without_runtime_is_refused(runtime: str | None, sif: Path) -> None:
    with pytest.raises(DeployError, match="expected a site with a container runtime"):
        plan_delivery(sif, with_runtime(runtime), "/x.sif")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("text")
    for path in (tmp_path / "text.tar", archive(tmp_path / "other.tar", {"a": 1})):
        with pytest.raises(DeployError, match="or a Docker or OCI archive"):
            read_archive(path)


def image_of(site: str, user_file: Path) -> tuple[str, str]:
    setting = gather({}, JobConfig(), {}, load_site(site).site, user_file).get("image")
    assert setting is not None
    return setting.value, setting.source


def test_a_recorded_image_is_the_default_of_jobs(tmp_path: Path) -> None:
    mine = tmp_path / "hydria.yaml"
    mine.write_text("account: abc # kept\n")
    record("frontier", "/x.sif", tmp_path / "hydria-images.yaml")
    record("lumi", "/y.sif", tmp_path / "hydria-images.yaml")
    assert image_of("frontier", mine) == ("/x.sif", "hydria-images.yaml frontier")
    assert image_of("lumi", mine)[0] == "/y.sif"
    mine.write_text("sites: {frontier: {image: /mine.sif}}\n")
    assert image_of("frontier", mine)[0] == "/mine.sif"


def test_a_record_that_somebody_broke_is_named(tmp_path: Path) -> None:
    (tmp_path / "hydria-images.yaml").write_text("- x\n")
    with pytest.raises(DeployError, match="expected 'site: image' lines"):
        image_of("frontier", tmp_path / "hydria.yaml")


def test_a_copy_that_cannot_be_written_says_so(sif: Path, tmp_path: Path) -> None:
    said: list[str] = []
    site = with_runtime("apptainer")
    deliver(plan_delivery(sif, site, str(tmp_path / "to/y.sif"), here=True), said.append)
    assert (tmp_path / "to/y.sif").read_bytes() == sif.read_bytes()
    assert said[0] == f"cp -- {sif} {tmp_path}/to/y.sif"
    with pytest.raises(DeployError, match="could not be written"):
        deliver(plan_delivery(sif, site, str(sif / "z.sif"), here=True), said.append)


def test_a_program_that_is_not_here_leaves_the_commands(docker: Path) -> None:
    delivery = plan_delivery(docker, with_runtime("podman-hpc"), "/x.tar", here=True)
    with pytest.raises(DeployError, match=r"podman-hpc: not on this machine.*\ncp -- "):
        deliver(delivery, print)
