"""The compatibility names as a distribution of their own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hydragnn"
UPSTREAM = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "hydragnn"
version = "4.0"
[tool.hatch.build.targets.wheel]
packages = ["hydragnn"]
"""


def pip(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def wheel_of(source: Path, folder: Path) -> Path:
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(SOURCE, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_every_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".py")}
    assert packed == {f"hydragnn/{path.name}" for path in SOURCE.glob("*.py")}


def test_pip_replaces_upstream_and_says_so(wheel: Path, tmp_path: Path) -> None:
    package = tmp_path / "upstream" / "hydragnn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("UPSTREAM = True\n")
    (package / "only_upstream.py").write_text("")
    (package.parent / "pyproject.toml").write_text(UPSTREAM)
    upstream = wheel_of(package.parent, tmp_path / "wheels")
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=60)
    install = ("--python", venv, "install", "--no-deps", "--no-index")
    pip(*install, upstream)
    said = pip(*install, wheel)
    assert "Found existing installation: hydragnn 4.0" in said
    assert "Successfully uninstalled hydragnn-4.0" in said
    (installed,) = venv.glob("lib/python*/site-packages/hydragnn")
    assert {path.name for path in installed.glob("*.py")} == {p.name for p in SOURCE.glob("*.py")}
