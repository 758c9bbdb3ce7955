"""The commands of the README's code blocks work as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
TRAINING = [line for line in LINES if re.match(r"(hydria|torchrun|mpirun)\b", line)]
# an epoch of two steps stands for sixty of twenty-two
SHORT = "num_epoch=1"


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, env={**os.environ, "PATH": path, **environment},
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def test_every_command_is_known() -> None:
    """A block that somebody adds is run by the tests below, or named here."""
    others = {line.split()[0] for line in LINES if line and line not in TRAINING}
    assert others == {"make", "sbatch"}
    assert len(TRAINING) == 8


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make")])
def test_make_knows_the_target(line: str) -> None:
    done = shell(f"{line} --dry-run", ROOT)
    assert done.returncode == 0, done.stderr


def test_make_job_renders_what_sbatch_is_given(tmp_path: Path) -> None:
    (line,) = [line for line in LINES if line.startswith("make job")]
    words = re.findall(r"(\w+)=(\S+)", line)
    options = " ".join(f"--{name.lower()} {value}" for name, value in words)
    done = shell(f"hydria job {options}", tmp_path)
    assert done.returncode == 0, done.stderr
    (submit,) = [line for line in LINES if line.startswith("sbatch")]
    assert (tmp_path / submit.split()[1]).is_file()


@pytest.mark.timeout(600)
def test_training_commands_run_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for line in TRAINING:
        if "train lsms" in line and "--resume" not in line:
            shell("rm -rf runs/lsms", tmp_path)
        words = f"{line} {SHORT}" if " train " in line and "num_epoch" not in line else line
        words = words.replace("--resume num_epoch=1", "--resume num_epoch=2")
        done = shell(words, tmp_path, HYDRAGNN_MAX_NUM_BATCH="2")
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "runs" / "lsms" / "report.html").is_file()
    assert (tmp_path / "runs" / "short" / "results.json").is_file()
