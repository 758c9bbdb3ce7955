"""The command table: light to start, helpful when wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from hydria.cli.main import COMMANDS

HYDRIA = [sys.executable, "-m", "hydria"]
HEAVY = ("torch", "numpy", "torch_geometric", "ase")


def hydria(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HYDRIA, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd
    )


def test_help_lists_every_command() -> None:
    done = hydria("--help")
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = hydria(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_unknown_command_names_the_nearest() -> None:
    done = hydria("trian")
    assert done.returncode == 2
    assert "did you mean 'hydria train'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["job", "submit", "site", "config"])
def test_login_node_commands_import_nothing_heavy(command: str) -> None:
    code = (
        f"import sys, importlib; importlib.import_module('hydria.cli.{command}');"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_training_without_the_extra_says_which_one(tmp_path: Path) -> None:
    """A login node: torch cannot be imported (here: a blocker stands in front of it)."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    done = subprocess.run(
        [*HYDRIA, "train", "lsms"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert "pip install 'hydria[train]'" in done.stderr
    assert "Traceback" not in done.stderr
