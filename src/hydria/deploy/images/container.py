"""Run things in an image, through spython's client, and say plainly why one does not run."""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydria.core.errors import DeployError
from hydria.deploy.images.sif import architecture_of
from hydria.deploy.images.tools import check_apptainer, check_can_mount, check_can_run

log = logging.getLogger(__name__)

PYTHON = "/opt/hydria/bin/python"
# runs a command, and gives what it says
Inside = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Facts:
    """What an image is and holds."""

    labels: dict[str, str]
    python: str
    architecture: str
    glibc: str
    packages: dict[str, str]
    torch: dict[str, str | None]
    mpi: str


def check_exists(image: Path) -> None:
    """DeployError when nothing is there."""
    if not image.exists():
        raise DeployError(f"{image}: no such image. Hint: hydria image build cpu --output {image}")


def check_image(image: Path) -> None:
    """DeployError when `image` is none, or none that this machine can run."""
    check_exists(image)
    if image.is_dir():
        return
    made_for = architecture_of(image)
    here = platform.machine()
    if made_for != here:
        raise DeployError(
            f"{image}: expected an image for {here}, got one for {made_for}. "
            f"Hint: build it on a machine with {here} processors"
        )


def inside(image: Path, command: Sequence[str], binds: Sequence[str] = ()) -> str:
    """Standard output of `command` in `image`; DeployError with the reason if it fails.

    Args:
        binds: `SOURCE[:TARGET[:ro]]`; each source must exist.
    """
    _check(image)
    for bind in binds:
        if not Path(bind.split(":")[0]).exists():
            raise DeployError(
                f"--bind {bind}: expected something that exists, got {bind.split(':')[0]}. "
                "Hint: make it first; Apptainer binds only what is there"
            )
    return _execute(image, str(image), command, [f"--bind={bind}" for bind in binds])


@contextmanager
def instance(image: Path) -> Iterator[Inside]:
    """Start `image` as an instance, which is mounted once for all commands that run in it.

    Raises:
        DeployError: if it does not start.
    """
    _check(image)
    from spython.main import Client

    started = Client.instance(str(image), start=False, name=f"hydria-{os.getpid()}")
    # captured, because Apptainer would tell of its cgroups
    started.start(options=["--cleanenv"], capture=True)
    if not Client.instances(started.name, quiet=True):
        raise DeployError(f"{image}: does not start as an instance, for the reason above")
    try:
        yield lambda command: _execute(image, started.get_uri(), command)
    finally:
        started.stop()


def _check(image: Path) -> None:
    check_apptainer()
    check_can_run()
    check_image(image)
    slow = check_can_mount()
    if slow:
        log.warning(slow)


def _execute(image: Path, place: str, command: Sequence[str], options: Sequence[str] = ()) -> str:
    from spython.main import Client

    result = Client.execute(
        place, list(command), options=["--cleanenv", *options], return_result=True, quiet=True
    )
    said = result["message"]
    lines = [said] if isinstance(said, str) else list(said)
    if result["return_code"]:
        raise DeployError(f"{image}: `{command[0]}` failed in it:\n{''.join(lines).strip()}")
    return lines[0] if lines else ""


def examine(run: Inside) -> str | None:
    """What `hydria doctor` finds wrong with this machine from inside; None if nothing.

    It looks at torch, at MPI and at whether caches can be written.
    """
    place = ["--run-dir", "/tmp", "--data", "/tmp"]  # inside, /tmp is always there
    try:
        run(["hydria", "doctor", "--for", "train", *place])
    except DeployError as err:
        return str(err)
    return None


def read_facts(image: Path, run: Inside | None = None) -> Facts:
    """Labels and contents of `image`, looked up by `run` in an instance of it, if there is one."""
    source = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    run = run or partial(inside, image)
    try:
        text = run([PYTHON, "-c", source])
    except DeployError as err:
        if PYTHON in str(err) and "no such file" in str(err).lower():
            raise DeployError(
                f"{image}: expected an image with Hydria, got one without {PYTHON}. "
                "Hint: hydria image build makes one"
            ) from err
        raise
    facts: dict[str, Any] = json.loads(text)
    return Facts(labels=_labels(image), **facts)


def _labels(image: Path) -> dict[str, str]:
    from spython.main import Client

    tree = Client.inspect(str(image), json=True, quiet=True)
    tree = json.loads(tree) if isinstance(tree, str) else tree
    labels: dict[str, str] = tree.get("attributes", tree.get("data", {})).get("labels", {})
    return labels
