"""Build an image file from a stack, by Apptainer or by a Docker builder."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hydria.core.errors import DeployError
from hydria.deploy.images.base import BOOTSTRAP, BaseImage
from hydria.deploy.images.pip_settings import CONFIG_FILE, Bind, lend, pip_options
from hydria.deploy.images.recipe import WHEELS, Format, print_recipe, printed_name
from hydria.deploy.images.stack import Stack
from hydria.deploy.images.tools import check_apptainer, check_can_build
from hydria.deploy.images.wheels import build_facts, collect_wheels

log = logging.getLogger(__name__)
# gzip, the default, takes four times as long for a tenth less space
SQUASH = ["--mksquashfs-args", "-comp zstd -Xcompression-level 1"]
# What a build needs of its temporary folder: the unpacked image and a copy of it.
NEEDED_GB = 6
KEPT_LINES = 40
END_S = 30
# What builders say → what it means
REASONS = {
    "no space left on device": (
        f"the disk is full; a build needs about {NEEDED_GB} GB. Hint: set APPTAINER_TMPDIR "
        "(TMPDIR for Docker builds) to a folder with more room"
    ),
    "dial tcp": (
        "the base's registry cannot be reached. Hint: --base takes an image file; "
        "hydria image base makes one from a Debian mirror"
    ),
}


@dataclass(frozen=True)
class Build:
    """What a person asks for.

    Attributes:
        base: what to start from instead of the stack's own base.
        output: the image file; it appears whole or not at all.
        wheels: of hydria and hydragnn; none given means those of the checkout.
        torch_index: an index to take torch from.
        say: is told each line of the build's own output.
    """

    stack: Stack
    base: BaseImage
    output: Path
    wheels: tuple[Path, ...] = ()
    torch_index: str = ""
    say: Callable[[str], None] = log.info

    def arguments(self) -> dict[str, str]:
        facts = build_facts() | {"PIP_CONFIG_FILE": CONFIG_FILE}
        return facts | ({"TORCH_INDEX_URL": self.torch_index} if self.torch_index else {})


def build_sif(build: Build) -> Path:
    """Build with Apptainer, as root or as an ordinary user; returns the image's path."""
    check_apptainer()
    check_can_build()
    with workplace() as work, whole_or_nothing(build.output) as partial:
        options = prepare_sif(build, work)
        apptainer_build(partial, printed_name("sif"), options, build.say, work / "context")
    return build.output


def prepare_sif(build: Build, work: Path) -> list[str]:
    """Fill `work/context`; returns the options with which `apptainer build` does the rest there."""
    base = _sif_base(build.base, work)
    recipe = print_recipe(build.stack, "sif", BOOTSTRAP[base.kind])
    binds = write_context(build, "sif", recipe, work)
    options = ["--fakeroot", *SQUASH]
    options += [f"--bind={bind.source}:{bind.target}:ro" for bind in binds]
    for name, value in (build.arguments() | {"BASE_IMAGE": base.place}).items():
        options += ["--build-arg", f"{name}={value}"]
    return options


def _sif_base(base: BaseImage, work: Path) -> BaseImage:
    """A root file system becomes a SIF first: a user's build may not copy one."""
    if base.kind != "rootfs":
        return base
    image = work / "base.sif"
    options = [*([] if os.geteuid() == 0 else ["--fakeroot"]), *SQUASH]
    apptainer_build(image, base.place, options, log.info, work)
    return BaseImage("sif", str(image))


def apptainer_build(
    image: Path, recipe: str, options: list[str], say: Callable[[str], None], folder: Path
) -> None:
    """Build in `folder` through spython; DeployError with Apptainer's own reason if it fails."""
    program = [sys.executable, "-m", "hydria.deploy.images.client_build"]
    run_build([*program, str(image), recipe, *options], say, folder)


def run_build(
    command: list[str],
    say: Callable[[str], None],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a builder in `folder`, passing on each line it prints.

    It and all that it starts are a process group, which ends when we are stopped.
    """
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | (environment or {}),
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                say(line.rstrip())
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        raise failure("".join(lines), process.returncode)


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def failure(output: str, code: int) -> DeployError:
    """The reason of a failed build in a sentence, with the end of what the program said."""
    reason = next(
        (said for sign, said in REASONS.items() if sign in output.lower()),
        f"the build failed with exit code {code}",
    )
    tail = "\n".join(output.strip().splitlines()[-8:])
    return DeployError(f"{reason}:\n{tail}")


def write_context(build: Build, format_: Format, recipe: str, work: Path) -> list[Bind]:
    """Recipe, pins and wheels under `work/context`; returns what the build must see of the host."""
    context = work / "context"
    context.mkdir()
    (context / printed_name(format_)).write_text(recipe, encoding="utf-8")
    shutil.copyfile(build.stack.requirements, context / "requirements.txt")
    collect_wheels(context / WHEELS, build.wheels)
    return lend(work / "pip", pip_options())


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A temporary folder that goes away, also when the build is told to stop."""
    with tempfile.TemporaryDirectory(prefix="hydria-image-") as folder, _term_is_interrupt():
        # subordinate users of a fakeroot build must be able to enter
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def _term_is_interrupt() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that nothing half-made stays."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def whole_or_nothing(output: Path) -> Iterator[Path]:
    """A name beside `output` that becomes it when the block succeeds, and vanishes otherwise."""
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
