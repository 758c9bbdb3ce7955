"""Bring an image to a site, or say what brings it there, and remember where it lies."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydria.config.site import Site
from hydria.core.errors import DeployError
from hydria.core.files import replace_atomically, write_text_atomic
from hydria.deploy.request import USER_FILE

WHERE = {
    "login": "images may be built on a login node there",
    "compute": "images are built on a compute node there: first start an interactive job",
    "offsite": "images are built elsewhere and copied there",
    None: "where images may be built there is not known: build elsewhere and copy",
}


@dataclass(frozen=True)
class Delivery:
    """Commands for people, and the name under which `hydria job` finds the image afterwards."""

    notes: tuple[str, ...]
    commands: tuple[str, ...]
    image: str


def plan_delivery(image: Path, site: Site, to: str) -> Delivery:
    """What brings `image` to `site`, by the container runtime that the site has."""
    runtime = site.container.runtime.value
    if runtime is None or runtime == "none":
        known = "none" if runtime else "unknown"
        raise DeployError(
            f"{site.name}: expected a site with a container runtime, got {known}. "
            "Hint: container.runtime in its site file"
        )
    return DELIVERIES[runtime](image, site, to)


def _apptainer(image: Path, site: Site, to: str) -> Delivery:
    commands = []
    local = image
    if image.suffix == ".tar":
        local = image.with_suffix(".sif")
        commands.append(_words("apptainer", "build", local, f"docker-archive:{image}"))
    commands.append(_words("rsync", "--partial", "--progress", local, f"{site.name}:{to}"))
    return Delivery((WHERE[site.container.where_to_build],), tuple(commands), to)


def _podman_hpc(image: Path, site: Site, to: str) -> Delivery:
    """podman-hpc keeps images as squashfs files of its own, under the image's name."""
    _needs_archive(image, site)
    name = _tag(image)
    return Delivery(
        (f"{site.name} has no Apptainer; podman-hpc makes a squashfs of the archive",),
        (
            _words("rsync", "--partial", "--progress", image, f"{site.name}:{to}"),
            _words("podman-hpc", "load", "-i", to),
            _words("podman-hpc", "migrate", name),
        ),
        name,
    )


def _pyxis(image: Path, site: Site, to: str) -> Delivery:
    _needs_archive(image, site)
    squash = str(Path(to).with_suffix(".sqsh"))
    return Delivery(
        ("pyxis runs squashfs files that enroot makes",),
        (
            _words("rsync", "--partial", "--progress", image, f"{site.name}:{to}"),
            _words("podman", "load", "-i", to),
            _words("enroot", "import", "-o", squash, f"podman://{_tag(image)}"),
        ),
        squash,
    )


def _shifter(image: Path, site: Site, to: str) -> Delivery:
    _needs_archive(image, site)
    return Delivery(
        ("shifter takes images from a registry only: REGISTRY is one that you may push to",),
        (
            _words("podman", "load", "-i", image),
            f"podman push {_tag(image)} REGISTRY/hydria:{image.stem}",
            f"shifterimg pull REGISTRY/hydria:{image.stem}",
        ),
        f"REGISTRY/hydria:{image.stem}",
    )


DELIVERIES: dict[str, Callable[[Path, Site, str], Delivery]] = {
    "apptainer": _apptainer,
    "singularity": _apptainer,
    "podman-hpc": _podman_hpc,
    "pyxis": _pyxis,
    "shifter": _shifter,
}


def _needs_archive(image: Path, site: Site) -> None:
    if image.suffix != ".tar":
        raise DeployError(
            f"{image}: {site.name} runs Docker images; expected a Docker archive (.tar), got "
            f"{image.suffix or 'something else'}. Hint: hydria image build STACK --format docker"
        )


def _tag(image: Path) -> str:
    """The name inside the archive: `hydria image build` calls it after the stack."""
    return f"localhost/hydria:{image.name.removesuffix('.tar').removeprefix('hydria-')}"


def _words(*words: object) -> str:
    return " ".join(shlex.quote(str(word)) for word in words)


def copy_here(image: Path, to: Path) -> None:
    """Copy to a folder that this machine sees; the image appears whole or not at all."""
    try:
        with replace_atomically(to) as partial:
            shutil.copyfile(image, partial)
    except OSError as err:
        raise DeployError(f"{to}: could not be written: {err.strerror or err}") from err


def record(site: str, image: str, path: Path | None = None) -> Path:
    """Make `image` the default of `site` in the person's own file; returns the file.

    Raises:
        DeployError: the file holds comments, which writing it anew would lose.
    """
    import yaml

    path = path or Path(os.path.expanduser(USER_FILE))
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    tree = yaml.safe_load(text) or {}
    sites = tree.setdefault("sites", {})
    if (sites.get(site) or {}).get("image") == image:
        return path
    sites[site] = (sites.get(site) or {}) | {"image": image}
    if "#" in text:
        lines = yaml.safe_dump({"sites": {site: {"image": image}}}, sort_keys=False)
        raise DeployError(
            f"{path}: has comments, which writing it anew would lose. Hint: add to it\n{lines}"
        )
    write_text_atomic(path, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
    return path
