"""Versions of this package and of what computes; works where torch is not installed."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib import import_module, metadata
from pathlib import Path

from hydria._version import __version__

PACKAGES = (
    "torch",
    "torch-geometric",
    "numpy",
    "vesin",
    "ase",
    "e3nn",
    "adios2",
    "mpi4py",
    "pydantic",
)
# What torch may have been built for: its name in torch.version.
BUILDS = ("cuda", "hip", "xpu")


@cache
def versions() -> dict[str, str]:
    """Versions of this package, of Python and of what computes."""
    found = {"hydria": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | torch_builds()


def torch_builds() -> dict[str, str]:
    """The accelerator libraries that torch was built for; nothing where torch does not import."""
    try:
        torch = import_module("torch")
    except (ImportError, OSError):
        return {}
    built = {name: getattr(torch.version, name, None) for name in BUILDS}
    return {name: str(version) for name, version in built.items() if version}


def git_revision() -> str | None:
    """Revision of the checkout this package runs from, `-dirty` when changed; None elsewhere."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
