"""Pin what a stack installs: pip resolves for the platform, `requirements.txt` keeps the answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from hydria.core.errors import DeployError
from hydria.deploy.images.stack import Architecture, Stack

# Wheels for this glibc and older ones are taken; the oldest base (Ubuntu 22.04) has 2.35.
NEWEST_GLIBC = 34
# What torch brings on its own; a stack whose base has torch must not get a second copy.
OF_TORCH = re.compile(r"torch|(pytorch-)?triton.*|nvidia-.*|cuda-.*|intel-.*")
HEADER = """\
# What the image installs beside its base, exactly; `make containers-lock` renews it.
# Resolved with pip for Python {python} on {architectures}, around torch {torch} from {origin}.
"""
TIMEOUT_S = 600


def wanted(stack: Stack) -> list[str]:
    """What hydria[train] asks for, and the stack's MPI; torch only where the base has none."""
    from packaging.requirements import Requirement

    lines = []
    for text in metadata.requires("hydria") or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": "train"}):
            lines.append(f"{need.name}{need.specifier}")
    return [*lines, f"{stack.mpi.package}=={stack.mpi.version}", f"torch=={stack.torch.version}"]


def resolve(
    stack: Stack, architecture: Architecture, constraints: Path | None = None
) -> dict[str, str]:
    """Name → version of all that pip would install there; DeployError says what pip found wrong."""
    absent = {entry.package for entry in stack.missing if entry.architecture == architecture}
    needs = [line for line in wanted(stack) if _name(line) not in absent]
    pinned = _constraints(stack, constraints)
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder) / "constraints.txt"
        limits.write_text("\n".join(pinned) + "\n", encoding="utf-8")
        report = _ask_pip(
            [*_platform(stack.python.version, architecture), "-c", str(limits), *needs], folder
        )
    return {
        item["metadata"]["name"].lower().replace("_", "-"): _public(item["metadata"]["version"])
        for item in report["install"]
    }


def _constraints(stack: Stack, constraints: Path | None) -> list[str]:
    """The project's own pins, without the torch that the base decides about."""
    lines = constraints.read_text(encoding="utf-8").splitlines() if constraints else []
    return [line for line in lines if line.strip() and not line.startswith(("#", "torch=="))]


def _ask_pip(arguments: list[str], folder: str) -> dict[str, list[dict[str, dict[str, str]]]]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-q"]
    command += ["--target", f"{folder}/none", "--report", f"{folder}/report.json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise DeployError(f"pip could not resolve:\n{done.stderr.strip()}")
    report: dict[str, list[dict[str, dict[str, str]]]] = json.loads(
        Path(folder, "report.json").read_text(encoding="utf-8")
    )
    return report


def _platform(python: str, architecture: Architecture) -> list[str]:
    tags = [f"manylinux_2_{minor}_{architecture}" for minor in range(NEWEST_GLIBC, 4, -1)]
    tags += [f"manylinux2014_{architecture}", f"linux_{architecture}"]
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    return options + [f"--platform={tag}" for tag in tags]


def locked_text(stack: Stack, resolved: dict[Architecture, dict[str, str]]) -> str:
    """The text of `requirements.txt`; what one architecture lacks carries a marker."""
    lines = [_pin(name, resolved) for name in sorted(_kept(stack, resolved))]
    header = HEADER.format(
        python=stack.python.version,
        architectures=" and ".join(resolved),
        torch=stack.torch.version,
        origin="this file" if stack.torch.from_ == "requirements" else "the base",
    )
    return header + "\n".join(lines) + "\n"


def _kept(stack: Stack, resolved: dict[Architecture, dict[str, str]]) -> set[str]:
    names = {name for versions in resolved.values() for name in versions}
    own = {"torch"} if stack.torch.from_ == "requirements" else set()
    return {name for name in names if name in own or not OF_TORCH.fullmatch(name)}


def _pin(name: str, resolved: dict[Architecture, dict[str, str]]) -> str:
    versions = {arch: found[name] for arch, found in resolved.items() if name in found}
    if len(set(versions.values())) != 1:
        raise DeployError(f"{name}: expected one version on all architectures, got {versions}")
    pin = f"{name}=={next(iter(versions.values()))}"
    if len(versions) == len(resolved):
        return pin
    (only,) = versions
    return f'{pin} ; platform_machine == "{only}"'


def pins(path: Path) -> dict[str, str]:
    """Name → version of a locked `requirements.txt`, markers aside."""
    text = path.read_text(encoding="utf-8")
    lines = (line.split(";")[0].strip() for line in text.splitlines() if not line.startswith("#"))
    return dict(_split(lines))


def _split(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if line:
            name, _, version = line.partition("==")
            yield name, version


def _name(line: str) -> str:
    return line.split("=")[0].split(">")[0].split("<")[0].strip().lower()


def _public(version: str) -> str:
    """Without the local part: `2.13.0+cpu` and `2.13.0` are one release."""
    return version.split("+")[0]
