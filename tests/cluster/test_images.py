"""The real cpu image: started, trained in, looked into, built by an ordinary user."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.images.base import base_image as read_base
from hydria.deploy.images.build import Build, prepare_sif, workplace
from hydria.deploy.images.container import inside
from hydria.deploy.images.lock import locked_text, resolve
from hydria.deploy.images.recipe import printed_name
from hydria.deploy.images.stack import load_stack
from tests.support.images import (
    EXEC,
    ROOT,
    SHORT,
    USER,
    as_user,
    base_image,
    hydria,
    losses,
    ordinary_user,
    run,
)

pytestmark = [
    pytest.mark.system("apptainer"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]


@pytest.fixture(params=[None, USER], ids=["root", "user"])
def user(request: pytest.FixtureRequest) -> str | None:
    """Whoever runs the tests, and an ordinary user."""
    return request.param and ordinary_user()


Run = Callable[..., str]
BIN = Path(sys.executable).parent


@pytest.fixture
def as_them(user: str | None, open_folder: Path) -> Run:
    def start(*command: str | Path, timeout_s: int = 300) -> str:
        return run(*as_user(user, list(command)), timeout_s=timeout_s, cwd=open_folder)

    return start


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of `lsms` without a container; its data lies beside it."""
    folder = tmp_path_factory.mktemp("outside")
    hydria("train", "lsms", *SHORT, "--run-dir", folder / "run", "--data", folder / "data")
    return folder


def share(data: Path, folder: Path) -> Path:
    """A copy of prepared data that every user may read."""
    run("cp", "-r", data, folder / "data")
    run("chmod", "-R", "a+rwX", folder / "data")
    return folder / "data"


def test_image_is_small_and_starts_fast(image: Path) -> None:
    assert image.stat().st_size <= 700e6
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert run(*EXEC, image, "hydria", "--version").startswith("hydria ")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) <= 1.0


def test_exec_run_and_test_work(as_them: Run, image: Path) -> None:
    version = run(sys.executable, "-m", "hydria", "--version")
    assert as_them(*EXEC, image, "hydria", "--version") == version
    assert as_them("apptainer", "-s", "run", image, "--version") == version
    assert "verdict: fine" in as_them("apptainer", "-s", "test", image)


def test_inspect_tells_what_it_is(as_them: Run, image: Path) -> None:
    tree = json.loads(as_them("apptainer", "-s", "inspect", "--json", "--labels", image))
    labels = tree["data"]["attributes"]["labels"]
    assert labels["org.opencontainers.image.title"] == "Hydria for CPUs"
    assert labels["org.hydria.stack"] == "cpu"
    assert labels["org.opencontainers.image.licenses"] == "BSD-3-Clause"
    assert "apptainer run IMAGE train" in as_them("apptainer", "-s", "run-help", image)


def test_training_in_it_equals_training_outside(
    as_them: Run, image: Path, outside: Path, open_folder: Path
) -> None:
    """No home directory, nothing of the host's environment, a read-only root."""
    data = share(outside / "data", open_folder)
    as_them(
        *EXEC, "--containall", "--cleanenv", "--env", "OMP_NUM_THREADS=1",
        "--bind", open_folder, "--pwd", open_folder, image,
        "hydria", "train", "lsms", *SHORT, "--run-dir", "run", "--data", data,
    )  # fmt: skip
    assert losses(open_folder / "run") == losses(outside / "run")
    assert (open_folder / "run/report.html").is_file()


def test_two_ranks_of_torchrun_in_it_equal_two_outside(
    image: Path, outside: Path, open_folder: Path
) -> None:
    data = share(outside / "data", open_folder)
    words = ("--standalone", "--no-python", "--nproc-per-node=2")
    train = ("train", "lsms", *SHORT, "NeuralNetwork.Training.global_batch_size=32")
    programs = {
        "inside": (*EXEC, "--bind", open_folder, image, "torchrun", *words, "hydria"),
        "outside": (BIN / "torchrun", *words, BIN / "hydria"),
    }
    for name, program in programs.items():
        run(*program, *train, "--run-dir", open_folder / name, "--data", data, timeout_s=300)
    assert losses(open_folder / "inside") == losses(open_folder / "outside")


def test_instance_is_started_and_stopped_through_spython(image: Path) -> None:
    from spython.main import Client

    instance = Client.instance(str(image), name="hydria-test", quiet=True)
    try:
        said = Client.execute(instance, ["hydria", "--version"], return_result=True, quiet=True)
        assert "hydria " in str(said["message"])
    finally:
        instance.stop(quiet=True)


def test_compiling_works_in_it(image: Path, open_folder: Path) -> None:
    code = (
        "import torch; f = torch.compile(lambda x: torch.sin(x) + 1);"
        "x = torch.ones(8); assert torch.allclose(f(x), torch.sin(x) + 1); print('compiled')"
    )
    command = [*EXEC, "--containall", "--env", f"TMPDIR={open_folder}", "--bind", str(open_folder)]
    assert "compiled" in run(*command, image, "python", "-c", code, timeout_s=300)


def test_verify_and_bill_of_materials(image: Path, tmp_path: Path) -> None:
    rows = json.loads(hydria("image", "verify", image, "--json"))
    assert all(row["fine"] for row in rows)
    assert {row["what"]: row["got"] for row in rows}["MPI of the image"] == "MPICH 4.1.3"
    hydria("image", "sbom", image, "--output", tmp_path / "sbom.json")
    parts = json.loads((tmp_path / "sbom.json").read_text())["components"]
    assert {"torch", "hydria", "mpich"} <= {part["name"] for part in parts}


def test_caches_lie_where_the_user_may_write(as_them: Run, image: Path) -> None:
    show = "import os; print(os.environ['XDG_CACHE_HOME'])"
    said = as_them(*EXEC, "--env", "TMPDIR=/scratch", image, "sh", "-c", f'python -c "{show}" 2>&1')
    assert re.fullmatch(r"/scratch/hydria-\d+/cache\n", said)


def test_nothing_of_the_build_stays(image: Path) -> None:
    said = run(
        *EXEC, "--containall", image, "sh", "-c",
        "ls -d /opt/hydria-build /root/.cache /etc/apt/sources.list /mnt/* 2>/dev/null;"
        " cat /etc/pip.conf /opt/hydria/pip.conf 2>/dev/null; true",
    )  # fmt: skip
    assert said == ""


def test_pins_are_what_the_index_gives_for_the_same_inputs() -> None:
    stack = load_stack("rocm")
    found = {arch: resolve(stack, arch, ROOT / "constraints.txt") for arch in stack.architectures}
    assert locked_text(stack, found) == stack.requirements.read_text(encoding="utf-8")


def test_versions_that_do_not_fit_are_named(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("numpy<1\n")
    with pytest.raises(DeployError, match=r"no versions fit together:\n(.|\n)*numpy"):
        resolve(load_stack("rocm"), "x86_64", tmp_path / "constraints.txt")


def test_ordinary_user_builds_it(image: Path, open_folder: Path) -> None:
    """From the finished image, so that the same recipe finds everything installed already."""
    name = ordinary_user()
    target = open_folder / "again.sif"
    with workplace() as work:
        build = Build(load_stack("cpu"), read_base(str(image)), target)
        options = prepare_sif(build, work)
        run("chmod", "-R", "a+rX", work)
        command = ["apptainer", "-s", "build", *options, target, printed_name("sif")]
        run(*as_user(name, command), timeout_s=600, cwd=work / "context")
    assert "hydria " in run(*as_user(name, [*EXEC, target, "hydria", "--version"]))


def fails(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hydria", "image", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_image_without_hydria_is_refused() -> None:
    assert "expected an image with Hydria" in fails("verify", base_image())


def test_bind_that_does_not_exist_is_named(image: Path) -> None:
    with pytest.raises(DeployError, match="--bind /nowhere:/data: expected something that exists"):
        inside(image, ["true"], binds=["/nowhere:/data"])


def test_machine_without_user_namespaces_is_refused(tmp_path: Path) -> None:
    """The kernel's limit holds in a namespace of the test's own, where it may be set."""
    build = [sys.executable, "-m", "hydria", "image", "build", "cpu", "--base", str(base_image())]
    none = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", none, "sh", *build],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "user.max_user_namespaces: expected at least 1, got 0" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_no_half_image(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", small)
    try:
        said = fails(
            "build", "cpu", "--base", base_image(), "--output", tmp_path / "x.sif",
            APPTAINER_TMPDIR=str(small),
        )  # fmt: skip
    finally:
        run("umount", small)
    assert "the disk is full" in said
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_no_half_image(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "hydria", "image", "build", "cpu", "--output", "x.sif"]
    with subprocess.Popen(
        [*command, "--base", str(base_image())],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path), "APPTAINER_TMPDIR": str(tmp_path)},
    ) as process:
        stderr: Any = process.stderr
        next(line for line in stderr if "pip install" in line)
        process.send_signal(number)
        stderr.read()
        assert process.wait(60) == 130
    # all that the build started is gone, as are its folders
    started = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    assert not [line for line in started if bytes(tmp_path) in line]
    assert list(tmp_path.iterdir()) == []
