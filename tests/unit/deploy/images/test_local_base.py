"""Bases from a Debian mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.images.local_base import build_base, mirror_here, release_of
from hydria.deploy.images.recipe import templates
from hydria.deploy.images.stack import load_stack


def test_only_debian_can_be_made() -> None:
    assert release_of(load_stack("cpu")) == "bookworm"
    with pytest.raises(DeployError, match=r"rocm: expected a stack on a Debian base.*--base IMAGE"):
        release_of(load_stack("rocm"))


def test_no_mirror_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match=r"--mirror: expected a Debian mirror, got none"):
        mirror_here("bookworm")


def test_no_apptainer_is_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match="apptainer: expected the program"):
        build_base(load_stack("cpu"), tmp_path / "base.sif", "mirror")
    assert list(tmp_path.iterdir()) == []


def test_definition_names_release_and_packages_and_forgets_the_mirror() -> None:
    text = templates().get_template("local-base.def.j2").render(release="bookworm", packages="a b")
    assert "OSVersion: bookworm" in text
    assert "Include: a b" in text
    assert "/etc/apt/sources.list" in text
