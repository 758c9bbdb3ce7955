"""Pin what a stack installs: uv resolves for the platform, `requirements.txt` keeps the answer."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from hydria.core.errors import DeployError, MissingExtraError
from hydria.deploy.images.pip_settings import pip_options
from hydria.deploy.images.stack import Architecture, Stack

# Wheels for this glibc and older ones are taken; the oldest base (Ubuntu 22.04) has 2.35.
NEWEST_GLIBC = 34
# What torch brings on its own; a stack whose base has torch must not get a second copy.
OF_TORCH = re.compile(r"torch|(pytorch-)?triton.*|nvidia-.*|cuda-.*|intel-.*")
HEADER = """\
# What the image installs beside its base, exactly; `make containers-lock` renews it.
# Resolved with uv for Python {python} on {architectures}, around torch {torch} from {origin}.
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
    """Name → version of all that pip would install there; DeployError says why nothing fits."""
    without = stack.without_wheel(architecture)
    needs = [line for line in wanted(stack) if _name(line) not in without]
    with tempfile.TemporaryDirectory() as folder:
        files = {"needs.in": needs, "constraints.txt": _constraints(stack, constraints)}
        for name, lines in files.items():
            Path(folder, name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        platform = [
            f"--python-version={stack.python.version}",
            f"--python-platform={architecture}-manylinux_2_{NEWEST_GLIBC}",
        ]
        said = _compile([*platform, "--constraints=constraints.txt", "needs.in"], folder)
    return {name: _public(version) for name, version in _split(said.splitlines())}


def _constraints(stack: Stack, constraints: Path | None) -> list[str]:
    """The project's own pins, without the torch that the base decides about."""
    lines = constraints.read_text(encoding="utf-8").splitlines() if constraints else []
    return [line for line in lines if line.strip() and not line.startswith(("#", "torch=="))]


def _compile(arguments: list[str], folder: str) -> str:
    """`name==version` lines; only metadata is fetched, from the indexes that pip here uses."""
    try:
        from uv import find_uv_bin
    except ModuleNotFoundError as err:
        raise MissingExtraError("images", "uv") from err
    settings = pip_options()
    indexes = [
        f"--{option}={address}"
        for option in ("index-url", "extra-index-url")
        for address in settings.get(option, "").split()
        if address.startswith("http")
    ]
    certificates = {"SSL_CERT_FILE": settings["cert"]} if "cert" in settings else {}
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--no-header"]
    try:
        done = subprocess.run(
            [*command, "--no-annotate", "--only-binary=:all:", *indexes, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=os.environ | certificates,
            cwd=folder,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise DeployError(
            f"the package index did not answer within {TIMEOUT_S} s. Hint: try again later"
        ) from err
    if done.returncode:
        raise DeployError(f"no versions fit together:\n{done.stderr.strip()}")
    return done.stdout


def locked_text(stack: Stack, resolved: dict[Architecture, dict[str, str]]) -> str:
    """The text of `requirements.txt`; what one architecture lacks carries a marker."""
    lines = [_pin(name, resolved, stack) for name in sorted(_kept(stack, resolved))]
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


def _pin(name: str, resolved: dict[Architecture, dict[str, str]], stack: Stack) -> str:
    versions = {arch: found[name] for arch, found in resolved.items() if name in found}
    if len(set(versions.values())) != 1:
        raise DeployError(f"{name}: expected one version on all architectures, got {versions}")
    pin = f"{name}=={next(iter(versions.values()))}"
    if all(arch in versions or name not in stack.absent(arch) for arch in resolved):
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
