"""Bring an image to a site, or say what brings it there, and remember where it lies."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydria.config.site import Site
from hydria.core.errors import DeployError
from hydria.core.files import write_text_atomic
from hydria.deploy.images.archive import Archive, read_archive
from hydria.deploy.images.build import run_build, whole_or_nothing
from hydria.deploy.images.sif import is_sif
from hydria.deploy.request import staged_file, staged_images

OUTPUT = "OUTPUT"
OCI_SUFFIXES = (".oci", ".oci.tar")
WHERE = {
    "login": "images may be built on a login node there: hydria image build STACK --output {to}",
    "compute": (
        "images may be built on a compute node there: start an interactive job, then "
        "hydria image build STACK --output {to}"
    ),
    "offsite": "images are built elsewhere and copied there",
    None: "where images may be built there is not known: build elsewhere and copy",
}


@dataclass(frozen=True)
class Step:
    """A command; with `output`, the word OUTPUT in it stands for that file."""

    words: tuple[str, ...]
    output: str | None = None

    def __str__(self) -> str:
        named = (word.replace(OUTPUT, self.output or OUTPUT) for word in self.words)
        return shlex.join(named)


@dataclass(frozen=True)
class Delivery:
    """Steps, in their order, and the name under which `hydria job` finds the image afterwards."""

    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    image: str


def plan_delivery(image: Path, site: Site, to: str, here: bool = False) -> Delivery:
    """What brings `image` to `site`, by the container runtime that the site has.

    Args:
        to: its path there; for shifter its name in a registry.
        here: that path is on this machine.
    """
    runtime = site.container.runtime.value
    if runtime is None or runtime == "none":
        known = "none" if runtime else "unknown"
        raise DeployError(
            f"{site.name}: expected a site with a container runtime, got {known}. "
            "Hint: container.runtime in its site file"
        )
    return DELIVERIES[runtime](image, site, to, here)


def _apptainer(image: Path, site: Site, to: str, here: bool) -> Delivery:
    container = site.container
    notes = [WHERE[container.where_to_build].format(to=shlex.quote(to))]
    if container.modules_build and container.where_to_build in {"login", "compute"}:
        notes.append(f"a build there needs: module load {' '.join(container.modules_build)}")
    if is_sif(image):
        return Delivery(tuple(notes), (_carry(image, site, to, here),), to)
    local = Path(to) if here else image.with_suffix(".sif")
    made = Step(("apptainer", "build", OUTPUT, read_archive(image).reference), str(local))
    steps = (made,) if here else (made, _carry(local, site, to, here))
    return Delivery(tuple(notes), steps, to)


def _podman_hpc(image: Path, site: Site, to: str, here: bool) -> Delivery:
    """podman-hpc keeps images as squashfs files of its own, under the image's name."""
    archive = _archive(image, site)
    steps = [_carry(image, site, to, here)]
    if to.endswith(OCI_SUFFIXES) and archive.transport == "docker-archive":
        local = Path(to) if here else image.with_suffix(".oci.tar")
        output = f"oci-archive:{OUTPUT}:{archive.name}"
        steps = [Step(("skopeo", "copy", archive.reference, output), str(local))]
        steps += [] if here else [_carry(local, site, to, here)]
    return Delivery(
        (f"{site.name} has no Apptainer; podman-hpc makes a squashfs of the archive",),
        (
            *steps,
            Step(("podman-hpc", "load", "-i", to)),
            Step(("podman-hpc", "migrate", archive.name)),
        ),
        archive.name,
    )


def _pyxis(image: Path, site: Site, to: str, here: bool) -> Delivery:
    archive = _archive(image, site)
    squash = str(Path(to).with_suffix(".sqsh"))
    load = str(image) if here else to
    return Delivery(
        ("pyxis runs squashfs files that enroot makes",),
        (
            *(() if here else (_carry(image, site, to, here),)),
            Step(("podman", "load", "-i", load)),
            Step(("enroot", "import", "-o", OUTPUT, f"podman://{archive.name}"), squash),
        ),
        squash,
    )


def _shifter(image: Path, site: Site, to: str, here: bool) -> Delivery:
    archive = _archive(image, site)
    if to.startswith(("/", ".")) or "/" not in to:
        raise DeployError(
            f"--to: shifter takes images from a registry; expected a name there that you may push "
            f"to, such as registry.example.org/{archive.name.rpartition('/')[2]}, got {to!r}"
        )
    push = Step(("skopeo", "copy", archive.reference, f"docker://{to}"))
    return Delivery(
        ("shifter takes images from a registry only",),
        (push, Step(("shifterimg", "pull", to))),
        to,
    )


DELIVERIES: dict[str, Callable[[Path, Site, str, bool], Delivery]] = {
    "apptainer": _apptainer,
    "singularity": _apptainer,
    "podman-hpc": _podman_hpc,
    "pyxis": _pyxis,
    "shifter": _shifter,
}


def _carry(image: Path, site: Site, to: str, here: bool) -> Step:
    if here:
        return Step(("cp", "--", str(image), OUTPUT), to)
    return Step(("rsync", "--partial", "--progress", str(image), f"{site.name}:{to}"))


def _archive(image: Path, site: Site) -> Archive:
    if is_sif(image):
        raise DeployError(
            f"{image}: {site.name} runs Docker images; expected a Docker archive, got an Apptainer "
            "image. Hint: hydria image build STACK --format docker"
        )
    return read_archive(image)


def deliver(delivery: Delivery, say: Callable[[str], None]) -> None:
    """Do every step on this machine; files appear whole or not at all.

    Raises:
        DeployError: a program is not here, or a step failed.
    """
    missing = [step for step in delivery.steps if shutil.which(step.words[0]) is None]
    if missing:
        names = ", ".join(sorted({step.words[0] for step in missing}))
        rest = "\n".join(map(str, delivery.steps))
        raise DeployError(f"{names}: not on this machine. Hint: run where it is\n{rest}")
    for step in delivery.steps:
        say(str(step))
        _run(step, say)


def _run(step: Step, say: Callable[[str], None]) -> None:
    if step.output is None:
        run_build(list(step.words), say, Path.cwd())
        return
    try:
        with whole_or_nothing(Path(step.output)) as partial:
            words = [word.replace(OUTPUT, str(partial)) for word in step.words]
            run_build(words, say, Path.cwd())
    except OSError as err:
        raise DeployError(f"{step.output}: could not be written: {err.strerror or err}") from err


def record(site: str, image: str, path: Path | None = None) -> Path:
    """Make `image` the default of `site` in a file of our own; returns the file."""
    import yaml

    path = path or staged_file()
    tree = staged_images(path) | {site: image}
    head = (
        "# Images that `hydria image stage` brought to sites; ~/.config/hydria.yaml goes first.\n"
    )
    write_text_atomic(path, head + yaml.safe_dump(tree, allow_unicode=True))
    return path
