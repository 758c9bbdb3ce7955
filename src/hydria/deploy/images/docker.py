"""Docker images as archive files, by buildah, podman or docker, whichever is here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydria.core.errors import DeployError
from hydria.deploy.images.base import BaseImage
from hydria.deploy.images.build import (
    Build,
    apptainer_build,
    run_build,
    whole_or_nothing,
    workplace,
    write_context,
)
from hydria.deploy.images.recipe import print_recipe
from hydria.deploy.images.tools import find_docker_builder

LOCAL_BASE = "localhost/hydria-base:latest"


@dataclass(frozen=True)
class Builder:
    """How one program is spoken to.

    Attributes:
        build: the words that build from a Dockerfile.
        save: the words that write an image to an archive; {tag} and {file} are filled in.
        binds: whether a build can see folders of the host.
        storage: whether images are kept in a store of the build's own.
    """

    build: tuple[str, ...]
    save: tuple[str, ...]
    binds: bool
    storage: bool


# chroot isolation and the vfs driver work without any privilege and on every file system
BUILDERS = {
    "buildah": Builder(
        ("bud", "--isolation=chroot", "--format=docker", "--layers=false"),
        ("push", "{tag}", "docker-archive:{file}:{tag}"),
        binds=True,
        storage=True,
    ),
    "podman": Builder(
        ("build", "--isolation=chroot", "--format=docker", "--layers=false"),
        ("save", "--format=docker-archive", "-o", "{file}", "{tag}"),
        binds=True,
        storage=True,
    ),
    "docker": Builder(("build",), ("save", "-o", "{file}", "{tag}"), binds=False, storage=False),
}


def build_docker(build: Build) -> Path:
    """Build from the Dockerfile; returns the path of the docker-archive."""
    name = find_docker_builder()
    builder = BUILDERS[name]
    with workplace() as work, whole_or_nothing(build.output) as partial:
        program = [name, *_store(work)] if builder.storage else [name]
        binds = write_context(build, "docker", print_recipe(build.stack, "docker"), work)
        if len(binds) > 1 and not builder.binds:
            raise DeployError(
                "docker build cannot see the local package folders of this machine's pip "
                "configuration. Hint: install buildah or podman"
            )
        words = [*program, *builder.build, f"--tag={_tag(build)}"]
        arguments = build.arguments() | {"BASE_IMAGE": _base(build.base, program, work, build.say)}
        words += [f"--build-arg={key}={value}" for key, value in arguments.items()]
        if builder.binds:
            words += [f"--volume={bind.source}:{bind.target}:ro" for bind in binds]
        _run([*words, str(work / "context")], work, build.say)
        save = [word.format(tag=_tag(build), file=partial) for word in builder.save]
        _run([*program, *save], work, build.say)
    return build.output


def _tag(build: Build) -> str:
    return f"localhost/hydria:{build.stack.name}"


def _store(work: Path) -> list[str]:
    return [f"--root={work}/store", f"--runroot={work}/run", "--storage-driver=vfs"]


def _base(base: BaseImage, program: list[str], work: Path, say: Callable[[str], None]) -> str:
    """The name under which the builder knows the base; local ones are imported."""
    if base.kind == "registry":
        return base.place
    root, user = Path(base.place), os.geteuid() != 0
    # owners other than root are what they are called inside a user's name space only
    as_root = ["--fakeroot"] if user else []
    inside = [program[0], "unshare"] if user and BUILDERS[program[0]].storage else []
    if base.kind == "sif":
        root = work / "base"
        apptainer_build(root, base.place, ["--sandbox", *as_root], say, work)
    if base.kind == "archive":
        return f"docker-archive:{base.place}"
    archive = work / "base.tar"
    pack = ["tar", "-C", str(root), "--numeric-owner", "-cf", str(archive), "."]
    _run([*inside, *pack], work, say)
    _import(program, archive, work, say)
    archive.unlink()
    return LOCAL_BASE


def _import(program: list[str], archive: Path, work: Path, say: Callable[[str], None]) -> None:
    """A root file system's archive as an image; buildah has no word for it."""
    if program[0] != "buildah":
        _run([*program, "import", str(archive), LOCAL_BASE], work, say)
        return
    _run([*program, "from", "--name=hydria-base", "scratch"], work, say)
    _run([*program, "add", "--quiet", "hydria-base", str(archive), "/"], work, say)
    _run([*program, "commit", "--quiet", "--rm", "hydria-base", LOCAL_BASE], work, say)


def _run(command: list[str], work: Path, say: Callable[[str], None]) -> None:
    run_build(command, say, work, {"TMPDIR": str(work)})
