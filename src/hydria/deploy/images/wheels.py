"""The wheels of Hydria and of HydraGNN's import names, for an image to install."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from hydria._version import __version__
from hydria.core.assets import PACKAGE
from hydria.core.errors import DeployError

TIMEOUT_S = 300


def checkout() -> Path | None:
    """Root of the source tree that runs here; None where a wheel is installed."""
    root = PACKAGE.parents[1]
    return root if (root / "pyproject.toml").is_file() and (root / "src").is_dir() else None


def collect_wheels(folder: Path, given: tuple[Path, ...]) -> None:
    """Put wheels into `folder`: those given, else built from the checkout."""
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in given:
        if not wheel.is_file():
            raise DeployError(f"--wheel: expected a wheel, got {wheel}, which does not exist")
        shutil.copy(wheel, folder)
    if given:
        return
    root = checkout()
    if root is None:
        raise DeployError(
            "--wheel: expected the wheels of hydria and hydragnn, got none, and this is no source "
            "tree to make them from. Hint: pip download --no-deps hydria hydragnn"
        )
    for source in (root, root / "src" / "hydragnn"):
        _make(source, folder)


def _make(source: Path, folder: Path) -> None:
    alone = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *alone]
    done = subprocess.run(
        [*command, "-w", str(folder), str(source)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise DeployError(f"{source}: no wheel could be made:\n{done.stderr.strip()}")


def build_facts() -> dict[str, str]:
    """What the labels say about this build; SOURCE_DATE_EPOCH fixes its time."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return {
        "HYDRIA_VERSION": __version__,
        "HYDRIA_REVISION": _revision(),
        "HYDRIA_CREATED": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _revision() -> str:
    root = checkout()
    git = shutil.which("git")
    if root is None or git is None:
        return "unknown"
    command = [git, "-C", str(root), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
