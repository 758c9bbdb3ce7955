"""The wheel carries all that an installed Hydria needs, outside of any checkout."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = ("num_epoch=1", "hidden_dim=8", "num_conv_layers=1")

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("wheel")]


def run(*command: str | Path, cwd: Path, timeout: int = 600) -> subprocess.CompletedProcess[str]:
    kept = {"PATH", "HOME", "LANG", "OMP_NUM_THREADS", "HYDRIA_DATA"}
    environment = {
        key: value
        for key, value in os.environ.items()
        if key in kept or key.startswith(("PIP_", "SSL_", "REQUESTS_"))
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    built = run(*build, "--outdir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("hydria-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty environment with the light install in it."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    done = run(folder / "bin" / "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel,
               cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def test_light_install_renders_a_job_and_names_the_extra_for_training(
    installed: Path, tmp_path: Path
) -> None:
    rendered = run(installed / "hydria", "job", "--site", "frontier", "--config", "lsms",
                   cwd=tmp_path)  # fmt: skip
    assert rendered.returncode == 0, rendered.stderr
    script = tmp_path / "jobs" / "rendered" / "frontier" / "lsms.slurm"
    assert "#SBATCH --nodes=1" in script.read_text()
    assert run("bash", "-n", script, cwd=tmp_path).returncode == 0

    refused = run(installed / "hydria", "train", "lsms", cwd=tmp_path)
    assert refused.returncode == 2
    assert "pip install 'hydria[train]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_full_install_trains(installed: Path, wheel: Path, tmp_path: Path) -> None:
    done = run(installed / "pip", "install", "-q", "-c", ROOT / "constraints.txt",
               f"{wheel}[train]", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    trained = run(installed / "hydria", "train", "lsms", *TINY, cwd=tmp_path)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert (tmp_path / "runs" / "lsms" / "results.json").is_file()
    assert (tmp_path / "runs" / "lsms" / "report.html").is_file()
