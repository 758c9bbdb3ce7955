"""MPI comes before torch where a job script asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hydria.runtime import mpi
from hydria.runtime.mpi import start_mpi_first

STEP = {
    "SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_NODEID": "0", "SLURM_NTASKS": "1",
    "SLURM_LOCALID": "0",
}  # fmt: skip
ASKED = STEP | {"HYDRIA_MPI_FIRST": "1"}
FAKE = """
import sys
get_vendor = lambda: ({vendor!r}, (3, 4, 3))
Is_initialized = lambda: False
Init_thread = lambda: print("started, torch", "torch" in sys.modules)
"""
WITHOUT_CONFIG = "from hydria.cli.main import run\nrun(['train', 'no-such-config'])\n"


@pytest.mark.parametrize(
    "env",
    [{}, STEP, STEP | {"HYDRIA_MPI_FIRST": "0"}, {"HYDRIA_MPI_FIRST": "1"},
     ASKED | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}],
)  # fmt: skip
def test_mpi_is_left_alone_unless_asked_for_in_a_step(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mpi, "_start", lambda: pytest.fail("started"))
    assert not start_mpi_first(env)


@pytest.mark.parametrize("error", [ImportError("no mpi4py"), RuntimeError("no MPI library")])
def test_machine_without_mpi_goes_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> bool:
        raise error

    monkeypatch.setattr(mpi, "_start", absent)
    assert not start_mpi_first(ASKED)


@pytest.mark.parametrize(
    ("vendor", "printed"), [("Cray MPICH", "started, torch False\n"), ("Open MPI", "")]
)
def test_hydria_train_starts_the_machine_s_mpi_before_torch(
    tmp_path: Path, vendor: str, printed: str
) -> None:
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py/__init__.py").write_text("class rc: pass\n")
    (tmp_path / "mpi4py/MPI.py").write_text(FAKE.format(vendor=vendor))
    env = {**os.environ, **ASKED, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_CONFIG],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.stdout == printed, run.stderr
