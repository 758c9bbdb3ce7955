"""Lending the host's pip configuration to a build."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from hydria.deploy.images.pip_settings import Bind, lend, pip_options


def lent(stage: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read(stage / "pip.conf")
    return dict(parser["global"])


def test_local_folders_are_bound_and_addresses_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    wheels, index = tmp_path / "my wheels", tmp_path / "mirror" / "simple"
    wheels.mkdir()
    index.mkdir(parents=True)
    certificate = tmp_path / "ca.pem"
    certificate.write_text("certificate")
    (tmp_path / "link").symlink_to(wheels)
    stage = tmp_path / "stage"
    options = {
        "find-links": str(tmp_path / "link"),
        "extra-index-url": f"https://host.example/simple {index.as_uri()}",
        "cert": str(certificate),
        "timeout": "60",
    }
    assert lend(stage, options) == [
        Bind(stage, "/mnt"),
        Bind(wheels, "/mnt/d1"),
        Bind(index.parent, "/mnt/d2"),
    ]
    found = lent(stage)
    assert found["find-links"] == "/mnt/d1"
    assert found["extra-index-url"].split() == [
        "https://host.example/simple",
        "file:///mnt/d2/simple",
    ]
    assert found["cert"] == "/mnt/ca.crt"
    assert found["timeout"] == "60"
    assert (stage / "ca.crt").read_text() == "certificate"
    assert (stage / "d1").is_dir()
    assert (stage / "d2").is_dir()


def test_variables_win_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\ntimeout = 1\nretries = 9\n[install]\ntimeout = 2\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_TIMEOUT", "3")
    options = pip_options()
    assert options["timeout"] == "3"
    assert options["retries"] == "9"
