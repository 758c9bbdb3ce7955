"""Run a function as several ranks, and collect what each of them returns."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120


def on_ranks(count: int, function: str, folder: Path) -> list[Any]:
    """Call `function` ("package.module:name") with `folder` on `count` ranks (gloo, CPU).

    The ranks look like those of MPICH and meet through `folder`.

    Returns:
        What the function returned (JSON-able), in rank order.

    Raises:
        AssertionError: with the output, when a rank fails or takes too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranks = [_start(rank, count, function, folder) for rank in range(count)]
    outputs = []
    try:
        for rank in ranks:
            outputs.append(rank.communicate(timeout=TIMEOUT_S)[0])
    finally:
        for rank in ranks:
            rank.kill()
    codes = [rank.returncode for rank in ranks]
    assert codes == [0] * count, f"{function}: exit codes {codes}\n" + "\n".join(outputs)
    return [json.loads((folder / f"result-{rank}.json").read_text()) for rank in range(count)]


def _start(rank: int, count: int, function: str, folder: Path) -> subprocess.Popen[str]:
    env = {
        **os.environ,
        "PMI_RANK": str(rank),
        "PMI_SIZE": str(count),
        "MPI_LOCALRANKID": str(rank),
        "MPI_LOCALNRANKS": str(count),
        "OMP_NUM_THREADS": "1",
        "HYDRIA_DEVICE": "cpu",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
    }
    command = [sys.executable, "-m", "tests.support.ranks", function, str(folder)]
    return subprocess.Popen(
        command, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def main(function: str, folder: Path) -> None:
    """One rank: join, call, write the result."""
    from hydria.runtime import process_group
    from hydria.runtime.environment import read_environment
    from hydria.runtime.launch import detect_ranks

    module, _, name = function.partition(":")
    ranks = detect_ranks(os.environ)
    world = process_group.start(ranks, os.environ, read_environment(os.environ), folder)
    result = getattr(importlib.import_module(module), name)(folder, world)
    (folder / f"result-{ranks.rank}.json").write_text(json.dumps(result))
    process_group.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
