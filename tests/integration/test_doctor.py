"""`hydria doctor` alone, under launchers, against plans, and with bad folders and dead ranks."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import command_env, finish, start

TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone",
    "--no-python",
]  # fmt: skip
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"]
MPICH = ["mpiexec.mpich", "-n", "2"]
# A file system of 64 KiB in place of the folder run/, seen by the command alone.
TINY = "mkdir -p run && mount -t tmpfs -o size=64k none run && {then} && exec {command}"

# Hides packages as if they had never been installed, then runs the command.
WITHOUT_TRAIN = """
from importlib import metadata
from importlib.machinery import PathFinder

HIDDEN = {"torch", "torch_geometric", "numpy", "vesin", "ase", "mpi4py", "e3nn", "adios2"}
find_spec, version = PathFinder.find_spec, metadata.version

def find(name, path=None, target=None):
    return None if name.partition(".")[0] in HIDDEN else find_spec(name, path, target)

def installed(name):
    if name.replace("-", "_") in HIDDEN:
        raise metadata.PackageNotFoundError(name)
    return version(name)

PathFinder.find_spec, metadata.version = find, installed

from hydria.cli.main import main
main()
"""


def doctor(folder: Path, *arguments: str, before: list[str] | None = None) -> tuple[int, str]:
    return finish(start(["doctor", *arguments], folder, before or []))


def on_tiny_disk(folder: Path, then: str) -> tuple[int, str]:
    command = shlex.join([sys.executable, "-m", "hydria", "doctor", "--run-dir", "run"])
    script = TINY.format(then=then, command=command)
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], cwd=folder,
        env=command_env(), text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def make_plan(folder: Path, ranks: int, cores: list[list[int]]) -> Path:
    """A plan in the form of `hydria job --json`, of which only the parts that matter are set."""
    placement = [{"local_rank": i, "cores": row, "gpu": None} for i, row in enumerate(cores)]
    plan = {
        "site": "test", "ranks": ranks, "placement": placement, "environment": [],
        "nodes": {"value": 1}, "ranks_per_node": {"value": ranks},
    }  # fmt: skip
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    return path


def test_alone_it_fills_one_page_and_leaves_no_trace(tmp_path: Path) -> None:
    code, output = doctor(tmp_path, "--for", "train")
    assert code == 0, output
    assert "1 rank on 1 node (single)" in output
    for check in ("ranks", "hosts", "memory", "binding", "devices", "versions", "mpi", "files"):
        assert f"       {check} " in output
    assert output.splitlines()[-1] == "verdict: fine"
    assert len(output.splitlines()) < 50
    assert not list(tmp_path.iterdir())


def test_json_alone_is_all_that_is_printed(tmp_path: Path) -> None:
    code, output = doctor(tmp_path, "--json", "--for", "train")
    told = json.loads(output)
    assert (code, told["exit_code"], told["verdict"]) == (0, 0, "ok")
    assert told["ranks"][0]["software"]["versions"]["torch"]
    assert {finding["check"] for finding in told["findings"]} >= {"ranks", "files", "clock"}


@pytest.mark.parametrize(
    ("before", "source"),
    [
        pytest.param(TORCHRUN, "torchrun", id="torchrun"),
        pytest.param(MPIRUN, "Open MPI", id="mpirun"),
        pytest.param(MPICH, "PMI", id="mpiexec", marks=pytest.mark.system("mpich")),
    ],
)
def test_two_ranks_give_one_page(tmp_path: Path, before: list[str], source: str) -> None:
    code, output = doctor(tmp_path, "--run-dir", "run", "--json", "told.json", before=before)
    assert code == 0, output
    assert output.count("hydria doctor") == 1
    assert f"2 ranks on 1 node ({source})" in output
    told = read_json(tmp_path / "told.json")
    assert [rank["ranks"]["rank"] for rank in told["ranks"]] == [0, 1]
    assert len({rank["ranks"]["local_rank"] for rank in told["ranks"]}) == 2
    assert told["missing"] == []
    assert not list((tmp_path / "run").iterdir())


def test_planned_binding_is_found(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    plan = make_plan(tmp_path, 1, [[core]])
    code, output = doctor(tmp_path, "--plan", str(plan), before=["taskset", "-c", str(core)])
    assert code == 0, output
    assert "cores and devices are those planned for test" in output


def test_binding_that_differs_from_the_plan_is_refused_with_a_diff(tmp_path: Path) -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    plan = make_plan(tmp_path, 1, [[second]])
    code, output = doctor(
        tmp_path, "--plan", str(plan), "--json", "told.json",
        before=["taskset", "-c", str(first)],
    )  # fmt: skip
    assert code == 2, output
    found = read_json(tmp_path / "told.json")
    host = found["ranks"][0]["host"]["name"]
    assert output.splitlines()[-6:] == [
        "--- planned for test",
        "+++ found",
        f"- rank 0 on {host}: cores {second}, no GPU",
        f"+ rank 0 on {host}: cores {first}, no GPU",
        "",
        "verdict: 1 fault",
    ]
    assert found["differences"] == [
        {
            "rank": 0, "host": host,
            "planned": f"cores {second}, no GPU", "found": f"cores {first}, no GPU",
        }
    ]  # fmt: skip


def test_plan_for_more_ranks_is_refused_by_all_ranks(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 4, [])
    code, output = doctor(tmp_path, "--plan", str(plan), before=MPIRUN)
    assert code == 2, output
    assert "planned 4 ranks, found 2" in output


def test_missing_plan_is_told_once(tmp_path: Path) -> None:
    code, output = doctor(tmp_path, "--plan", "none.json", before=MPIRUN)
    assert code == 2, output
    assert output.count("none.json: cannot be read: No such file or directory") == 1
    assert "Traceback" not in output


def test_full_disk_is_a_fault(tmp_path: Path) -> None:
    code, output = on_tiny_disk(tmp_path, "head -c 60000 /dev/zero > run/blob")
    assert code == 2, output
    told = " ".join(output.split())
    assert "a small file could not be written and read" in told
    assert "No space left on device" in told
    assert output.endswith("verdict: 1 fault\n")


def test_read_only_folder_is_a_fault(tmp_path: Path) -> None:
    code, output = on_tiny_disk(tmp_path, "mount -o remount,ro run")
    assert code == 2, output
    assert "Read-only file system" in output


def test_silent_rank_is_named_after_the_time_out(tmp_path: Path) -> None:
    env = command_env(PMI_RANK="0", PMI_SIZE="3", MPI_LOCALRANKID="0", MPI_LOCALNRANKS="3")
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "hydria", "doctor", "--timeout", "1", "--json", "told.json"],
        cwd=tmp_path, env=env, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no answer within 1 s from ranks 1, 2 of 3" in done.stdout
    assert time.monotonic() - begun < 30
    assert read_json(tmp_path / "told.json")["missing"] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["told.json"]


def test_rank_whose_rank_0_is_dead_ends_with_a_message(tmp_path: Path) -> None:
    env = command_env(PMI_RANK="1", PMI_SIZE="2", MPI_LOCALRANKID="1", MPI_LOCALNRANKS="2")
    done = subprocess.run(
        [sys.executable, "-m", "hydria", "doctor", "--timeout", "0.5"],
        cwd=tmp_path, env=env, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "rank 1 of 2: rank 0 did not appear in" in done.stderr
    assert done.stdout == ""


def test_it_works_where_torch_is_not_installed(tmp_path: Path) -> None:
    """The packages of the `train` extra are hidden as if they had never been installed."""
    (tmp_path / "without.py").write_text(WITHOUT_TRAIN)
    code, output = without_torch(tmp_path)
    assert code == 0, output
    assert "torch is not installed: only variables tell of devices" in " ".join(output.split())
    code, output = without_torch(tmp_path, "--for", "train")
    assert code == 2, output
    assert "torch is not installed, and `hydria train` needs it" in " ".join(output.split())


def without_torch(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "without.py", "doctor", *arguments], cwd=folder, env=command_env(),
        text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
