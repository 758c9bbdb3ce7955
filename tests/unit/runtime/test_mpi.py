"""mpi4py comes before torch where a job script asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hydria.runtime import mpi
from hydria.runtime.mpi import import_mpi_first

STEP = {
    "SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_NODEID": "0", "SLURM_NTASKS": "1",
    "SLURM_LOCALID": "0",
}  # fmt: skip
FAKE = "import sys\nprint('torch' in sys.modules)\n"
WITHOUT_CONFIG = "from hydria.cli.main import run\nrun(['train', 'no-such-config'])\n"


@pytest.mark.parametrize(
    "env", [{}, STEP, STEP | {"HYDRIA_MPI_FIRST": "0"}, {"HYDRIA_MPI_FIRST": "1"}]
)
def test_mpi_is_left_alone_unless_asked_for_in_a_step(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mpi.importlib, "import_module", lambda name: pytest.fail(name))
    assert not import_mpi_first(env)


def test_machine_without_mpi_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise RuntimeError("cannot load MPI library")

    monkeypatch.setattr(mpi.importlib, "import_module", absent)
    assert not import_mpi_first(STEP | {"HYDRIA_MPI_FIRST": "1"})


def test_hydria_train_imports_mpi4py_before_torch(tmp_path: Path) -> None:
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py/__init__.py").touch()
    (tmp_path / "mpi4py/MPI.py").write_text(FAKE)
    env = {**os.environ, **STEP, "HYDRIA_MPI_FIRST": "1", "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_CONFIG],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.stdout.splitlines() == ["False"], run.stderr
