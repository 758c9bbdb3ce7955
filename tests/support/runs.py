"""Small runs of the property workload, in this process or through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydria.config import load_config
from hydria.train.records import read_records
from hydria.workloads.run import Request, Result, train
from tests.support.raw_data import Tree, config_tree, write_lsms

TIMEOUT_S = 150
ONE_RANK = {"OMP_NUM_THREADS": "1", "HYDRIA_DEVICE": "cpu"}
# Whatever started the tests must not look like the launcher of their ranks.
LAUNCHERS = ("SLURM_", "OMPI_", "PMI_", "PMIX_", "PALS_", "FLUX_", "MPI_LOCAL")


def make_tree(raw: Path, architecture: Mapping[str, Any] | None = None, **training: Any) -> Tree:
    """A config over LSMS files in `raw` (written when missing) whose rate stays constant."""
    if not raw.is_dir():
        write_lsms(raw, count=38, num_atoms=6)
    tree = config_tree(raw)
    network = tree["NeuralNetwork"]
    network["Architecture"].update(architecture or {})
    network["Variables_of_interest"]["denormalize_output"] = True
    network["Training"].update(
        {"batch_size": 5, "Scheduler": {"type": "ConstantLR"}, "Optimizer": {"type": "AdamW"}}
    )
    network["Training"].update(training)
    return tree


def run_here(
    tree: Tree,
    run_dir: Path,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Result:
    """Train in this process, as `hydria train` would; data go beside the run folder."""
    loaded = load_config(tree, overrides)
    request = Request(loaded, run_dir, run_dir.parent / "data", **options)
    return train(request, {**ONE_RANK, **(env or {})})


def write_config(folder: Path, tree: Tree, name: str = "small") -> Path:
    """The config as a file."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(tree, indent=1))
    return path


def command_env(**extra: str) -> dict[str, str]:
    """An environment for commands: no launcher in it, one thread, CPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)}
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, **allowed, **ONE_RANK, "PATH": programs, **extra}


def start(
    arguments: Sequence[str | Path], folder: Path, before: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start `hydria ARGUMENTS` in `folder`, behind the words of a launcher."""
    command = [*before, sys.executable, "-m", "hydria", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=command_env(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output, or an AssertionError with the output when it takes too long."""
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"not done in {TIMEOUT_S} s:\n{process.communicate()[0]}") from None
    return process.returncode, output


def command(arguments: Sequence[str | Path], folder: Path, before: Sequence[str] = ()) -> str:
    """Output of `hydria ARGUMENTS`; it must exit with 0."""
    code, output = finish(start(arguments, folder, before))
    assert code == 0, output
    return output


def course(run_dir: Path) -> list[dict[str, Any]]:
    """What `metrics.jsonl` tells of the science: everything but times."""
    timing = {"seconds", "samples_per_s"}
    return [
        {key: value for key, value in record.items() if key not in timing}
        for record in read_records(run_dir / "metrics.jsonl")
    ]
