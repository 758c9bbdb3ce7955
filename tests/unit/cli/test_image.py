"""`hydria image` on the command line, as far as it needs no container program."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml

from hydria.cli.main import run
from hydria.core.errors import DeployError
from hydria.deploy.images.sif import MAGIC


def call(*words: str) -> None:
    with contextlib.suppress(SystemExit):
        run(["image", *words])


def test_list_names_every_stack(capsys: pytest.CaptureFixture[str]) -> None:
    call("list")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "cpu",
        "cuda",
        "rocm",
        "xpu",
    ]


def test_print_check_finds_nothing_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    call("print", "--check")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("build", "gpu"), "no container stack 'gpu'"),
        (("build", "cpu", "--format", "oci"), "--format: expected one of sif, docker, got 'oci'"),
        (("build", "cpu", "--base", "./no.sif"), "--base: expected an image file"),
        (("verify", "no.sif"), "no such image"),
        (("stage", "no.sif", "--site", "frontier", "--to", "/x"), "no such image"),
    ],
)
def test_mistakes_are_explained(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        call(*words)


def test_an_existing_image_is_not_replaced_unasked(tmp_path: Path) -> None:
    image = tmp_path / "x.sif"
    image.write_text("before")
    with pytest.raises(DeployError, match=r"exists already\. Hint: --force"):
        call("build", "cpu", "--output", str(image))
    assert image.read_text() == "before"


def test_staged_image_is_the_default_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    image = tmp_path / "x.sif"
    image.write_bytes(b"\0" * 32 + MAGIC + b"\0" * 100)
    call("stage", str(image), "--site", "frontier", "--to", "/lustre/x.sif")
    assert "frontier:/lustre/x.sif" in capsys.readouterr().out
    copied = tmp_path / "images" / "x.sif"
    call("stage", str(image), "--site", "katana", "--to", str(copied), "--here")
    assert copied.read_bytes() == image.read_bytes()
    assert yaml.safe_load((tmp_path / ".config/hydria-images.yaml").read_text()) == {
        "frontier": "/lustre/x.sif",
        "katana": str(copied),
    }
