"""Rendered scripts as plain text, and what they must mean whatever their text is.

`make golden` writes the texts anew; the assertions beside them cannot be written anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hydria.config import bundled_configs
from hydria.deploy.render import render
from tests.support.jobs import exports_of, plan_for, script_for, step_of

SCRIPTS = Path(__file__).parent / "scripts"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "frontier-1-node.slurm": ("frontier", {}),
    "frontier-2-nodes.slurm": (
        "frontier",
        {"nodes": 2, "account": "abc123", "mail": "me@ornl.gov"},
    ),
    "frontier-2-nodes-image.slurm": (
        "frontier",
        {"nodes": 2, "account": "abc123", "image": "/lustre/orion/abc123/hydria.sif"},
    ),
    "katana-1-gpu.pbs": ("katana", {"venv": "/srv/scratch/me/venv"}),
    "katana-2-gpus-image.pbs": (
        "katana",
        {"gpus": 2, "memory": "64G", "constraint": "A100", "image": "/srv/scratch/me/it's.sif"},
    ),
    "local.sh": ("local", {}),
    "local-2-ranks.sh": ("local", {"cpus": 2, "env": {"FOO": 'a "b" $c'}}),
}
# OLCF's table: rank of a node → cores → GPU, for `srun -c7 --gpu-bind=closest` and `-S 8`.
FRONTIER_MAP = [
    ("1-7", 4), ("9-15", 5), ("17-23", 2), ("25-31", 3),
    ("33-39", 6), ("41-47", 7), ("49-55", 0), ("57-63", 1),
]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_script_is_the_golden_one(name: str, pytestconfig: pytest.Config) -> None:
    site, flags = CASES[name]
    text = script_for(site, **flags)
    if pytestconfig.getoption("--update-golden"):
        SCRIPTS.mkdir(exist_ok=True)
        (SCRIPTS / name).write_text(text)
    assert text == (SCRIPTS / name).read_text()


@pytest.mark.parametrize("name", CASES)
def test_script_passes_bash_and_shellcheck(name: str) -> None:
    subprocess.run(["bash", "-n", SCRIPTS / name], check=True, timeout=20)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    words = [shellcheck, "--shell=bash", "--severity=warning", SCRIPTS / name]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", CASES)
def test_script_holds_no_date_user_or_checkout(name: str) -> None:
    site, flags = CASES[name]
    first, second = render(plan_for(site, **flags)), render(plan_for(site, **flags))
    assert first == second
    assert str(Path(__file__).parents[2]) not in first.text
    assert str(Path.home()) not in first.text


def test_frontier_map_is_that_of_the_guide() -> None:
    text = (SCRIPTS / "frontier-2-nodes.slurm").read_text()
    rows = re.findall(r"^# +(\d) -> (\S+) +-> (\d)$", text, re.MULTILINE)
    assert [(cores, int(gpu)) for _, cores, gpu in rows] == FRONTIER_MAP
    assert [int(rank) for rank, _, _ in rows] == list(range(8))


@pytest.mark.parametrize(("name", "nodes"), [("frontier-1-node", 1), ("frontier-2-nodes", 2)])
def test_frontier_step_is_that_of_the_guide(name: str, nodes: int) -> None:
    text = (SCRIPTS / f"{name}.slurm").read_text()
    words = step_of(text)
    assert words[:4] == ["srun", f"-N{nodes}", f"-n{8 * nodes}", "-c7"]
    assert {"--gpus-per-task=1", "--gpu-bind=closest"} < set(words)
    assert words[words.index("hydria") :][:2] == ["hydria", "train"]
    env = exports_of(text)
    assert int(env["OMP_NUM_THREADS"]) + int(env["HYDRAGNN_NUM_WORKERS"]) <= 7
    assert env["HYDRAGNN_AGGR_BACKEND"] == "torch"


def test_frontier_uses_ofi_between_nodes_only() -> None:
    one, two = ((SCRIPTS / f"frontier-{name}.slurm").read_text() for name in ("1-node", "2-nodes"))
    assert exports_of(one)["NCCL_NET"] == "Socket"
    assert exports_of(two)["NCCL_NET"] == "OFI"
    directive = "#SBATCH --network=disable_rdzv_get"
    assert directive not in one
    assert directive in two
    assert exports_of(two)["FI_CXI_RDZV_PROTO"] == "alt_read"
    assert "FI_CXI_RDZV_PROTO" not in exports_of(one)
    assert "module load rccl-net-plugin" in two


def test_frontier_variables_have_reasons() -> None:
    text = (SCRIPTS / "frontier-2-nodes.slurm").read_text()
    lines = text.splitlines()
    for name in exports_of(text):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"export {name}="))
        assert lines[at - 1].startswith("# "), name


def test_script_without_account_says_how_to_add_it() -> None:
    without = (SCRIPTS / "frontier-1-node.slurm").read_text()
    assert "--account" not in re.sub(r"^# .*", "", without, flags=re.MULTILINE)
    assert "# submit    sbatch -A YOUR_PROJECT small.slurm" in without
    assert "#SBATCH --account=abc123" in (SCRIPTS / "frontier-2-nodes.slurm").read_text()


def test_frontier_keeps_runs_and_data_on_scratch() -> None:
    text = (SCRIPTS / "frontier-1-node.slurm").read_text()
    assert 'run_dir="/lustre/orion/${account}/scratch/${USER}/hydria/runs/small"' in text
    assert 'data_root="/lustre/orion/${account}/scratch/${USER}/hydria/data"' in text


def test_data_is_prepared_once_before_the_ranks() -> None:
    for file in SCRIPTS.iterdir():
        text = file.read_text()
        assert text.count("hydria prepare") == 1
        assert text.index("hydria prepare") < text.index("hydria train")
        prepare = re.search(r"^prepare\(\) \{\n(.*)\n\}", text, re.MULTILINE)
        assert prepare is not None
        assert "srun" not in prepare[1]
        assert "torchrun" not in prepare[1]


def test_container_goes_inside_srun_and_outside_torchrun() -> None:
    frontier = step_of((SCRIPTS / "frontier-2-nodes-image.slurm").read_text())
    assert frontier.index("srun") < frontier.index("apptainer") < frontier.index("hydria")
    assert "--rocm" in frontier
    katana = step_of((SCRIPTS / "katana-2-gpus-image.pbs").read_text())
    assert katana.index("apptainer") < katana.index("torchrun") < katana.index("hydria")
    assert "--nv" in katana
    assert "--no-python" in katana


def test_katana_asks_for_one_chunk_and_binds_nothing() -> None:
    text = (SCRIPTS / "katana-2-gpus-image.pbs").read_text()
    chunk = "#PBS -l select=1:ncpus=12:ngpus=2:mem=64gb:gpu_model=A100"
    assert chunk in text.splitlines()
    assert "bind" not in " ".join(step_of(text)).replace("--bind", "")
    assert "# Its core and GPU numbering is not sourced either: nothing is bound to cores." in text
    assert "one node, and torchrun starts the ranks" in text


def test_one_local_rank_needs_no_launcher() -> None:
    assert step_of((SCRIPTS / "local.sh").read_text())[:2] == ["hydria", "train"]
    assert "--nproc-per-node=2" in step_of((SCRIPTS / "local-2-ranks.sh").read_text())


def test_what_a_person_typed_is_quoted() -> None:
    assert exports_of((SCRIPTS / "local-2-ranks.sh").read_text())["FOO"] == 'a "b" $c'
    assert (
        """image='/srv/scratch/me/it'"'"'s.sif'"""
        in (SCRIPTS / "katana-2-gpus-image.pbs").read_text()
    )


def test_no_golden_script_is_left_over() -> None:
    assert {file.name for file in SCRIPTS.iterdir()} == set(CASES)


@pytest.mark.parametrize("site", ["local", "frontier", "katana"])
@pytest.mark.parametrize("config", sorted(bundled_configs()))
def test_every_config_that_comes_along_renders(site: str, config: str, tmp_path: Path) -> None:
    from hydria.cli.job_options import Asked
    from hydria.cli.job_scripts import write_job

    job = write_job(Asked(site=site, config=config, out=tmp_path / "script"))
    assert f"config=$run_dir/job/{config}.json" in job.file.read_text()
