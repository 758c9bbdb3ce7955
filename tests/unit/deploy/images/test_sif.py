"""SIF files read without Apptainer, and what checks 15 and 16 say of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.checks.image import image_fits
from hydria.deploy.images.sif import (
    DESCRIPTOR,
    HEADER,
    JSON,
    MAGIC,
    architecture_of,
    is_sif,
    labels_of,
)
from tests.support.jobs import plan_for

LABELS = {"org.hydria.accelerator": "rocm", "org.hydria.mpi": "mpich 4.1.3"}


def write_sif(path: Path, labels: dict[str, str], processor: bytes = b"02") -> Path:
    """An image of nothing but a header, an unused descriptor and labels."""
    content = json.dumps({"data": {"attributes": {"labels": labels}}}).encode()
    start = HEADER.size
    at = start + 2 * DESCRIPTOR.size
    head = HEADER.pack(b"#!", MAGIC, b"01", processor, b"id", 0, 0, 0, 2, start, 0, at, 0)
    numbers = (len(content), len(content), 0, 0, 0, 0)
    unused = DESCRIPTOR.pack(JSON, False, 1, 1, 0, 0, *numbers, b"", b"")
    used = DESCRIPTOR.pack(JSON, True, 2, 1, 0, at, *numbers, b"inspect-metadata.json", b"")
    path.write_bytes(head + unused + used + content)
    return path


def errors(image: Path, site: str = "frontier") -> list[tuple[int, str]]:
    return [(found.number, found.message) for found in image_fits(plan_for(site, image=str(image)))]


def test_processor_and_labels_are_read(tmp_path: Path) -> None:
    image = write_sif(tmp_path / "x.sif", LABELS)
    assert is_sif(image)
    assert architecture_of(image) == "x86_64"
    assert labels_of(image) == LABELS


def test_another_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.sif").write_text("text")
    assert not is_sif(tmp_path / "x.sif")
    with pytest.raises(DeployError, match="expected an Apptainer image"):
        architecture_of(tmp_path / "x.sif")


def test_image_that_fits_or_lies_elsewhere_is_fine(tmp_path: Path) -> None:
    assert errors(write_sif(tmp_path / "x.sif", LABELS)) == []
    assert errors(tmp_path / "elsewhere.sif") == []


def test_wrong_processor(tmp_path: Path) -> None:
    ((number, message),) = errors(write_sif(tmp_path / "x.sif", LABELS, b"04"))
    assert number == 15
    assert "is for aarch64, frontier has x86_64 processors" in message


def test_wrong_accelerator(tmp_path: Path) -> None:
    labels = LABELS | {"org.hydria.accelerator": "cuda"}
    assert errors(write_sif(tmp_path / "x.sif", labels)) == [
        (15, "the image is for cuda, the GPUs of frontier need rocm")
    ]


@pytest.mark.parametrize("mpi", ["mpich 5.0.2", "openmpi 4.1.3"])
def test_mpi_that_the_site_cannot_take_over(tmp_path: Path, mpi: str) -> None:
    ((number, message),) = errors(write_sif(tmp_path / "x.sif", LABELS | {"org.hydria.mpi": mpi}))
    assert number == 16
    assert f"the image's MPI is {mpi}" in message
