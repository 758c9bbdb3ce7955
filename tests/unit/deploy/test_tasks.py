"""Other work than training, under the same plan."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.checks import judge, judge_script
from hydria.deploy.plan import Plan
from hydria.deploy.render import render
from hydria.deploy.task import make_task
from tests.support.jobs import plan_for, step_of


def errors(plan: Plan) -> list[str]:
    found = [*judge(plan), *judge_script(plan, render(plan))]
    return [str(finding) for finding in found if finding.level == "E"]


@pytest.mark.parametrize("kind", ["train", "prepare", "predict", "doctor"])
@pytest.mark.parametrize("site", ["local", "frontier", "katana"])
def test_task_is_rendered_and_read_back(site: str, kind: str) -> None:
    plan = plan_for(site, account="abc123", task=make_task(kind, None, ()))
    assert errors(plan) == []
    words = step_of(render(plan).text)
    assert words[words.index("hydria") + 1] == kind


def test_preprocessing_runs_on_32_cpu_ranks_and_asks_for_no_gpu() -> None:
    plan = plan_for("frontier", account="a", cpus=32, task=make_task("prepare", None, ()))
    text = render(plan).text
    assert errors(plan) == []
    assert step_of(text) == ["srun", "-N1", "-n32", "-c1", "hydria", "prepare", "$config"]
    assert "gpu" not in shlex.join(step_of(text))
    assert text.count("hydria prepare") == 1


def test_doctor_is_given_the_plan_that_the_script_carries() -> None:
    plan = plan_for("frontier", account="a", task=make_task("doctor", None, ()))
    text = render(plan).text
    assert '"$run_dir/job/plan.json" << ' in text
    assert "hydria doctor --plan $run_dir/job/plan.json" in " ".join(step_of(text))
    assert "run_step preflight" not in text


@pytest.mark.parametrize("kind", ["prepare", "predict", "doctor"])
def test_other_work_has_a_file_of_its_own_and_no_checkpoint(kind: str) -> None:
    text = render(plan_for("frontier", account="a", task=make_task(kind, None, ()))).text
    assert f"# submit    sbatch small-{kind}.slurm\n" in text
    assert "# 300 s before the walltime ends what runs gets SIGTERM.\n" in text
    assert "checkpoint" not in text.partition("set -euo")[0]


def test_ranks_may_be_fewer_than_cores() -> None:
    plan = plan_for("frontier", cpus=56, ranks=8, gpus=0, account="a")
    assert (plan.ranks_per_node.value, plan.cores_per_rank.value) == (8, 7)
    assert step_of(render(plan).text)[:4] == ["srun", "-N1", "-n8", "-c7"]


def test_own_script_runs_on_every_rank_with_its_arguments(tmp_path: Path) -> None:
    script = tmp_path / "it's $mine.py"
    script.write_text("print()\n")
    task = make_task(None, str(script), ["--lr", "1e-3", "a b", "$HOME"])
    plan = plan_for("frontier", account="a", task=task)
    text = render(plan).text
    assert errors(plan) == []
    assert f"script={shlex.quote(str(script))}\n" in text
    words = step_of(text)
    assert words[words.index("python") :] == ["python", "$script", "--lr", "1e-3", "a b", "$HOME"]
    assert f"sha256 {task.sha256 and task.sha256[:16]}" in text.replace("\n# ", " ")
    assert "hydria prepare" not in text


def test_script_of_the_machine_only_is_not_hashed() -> None:
    task = make_task(None, "/there/run.sh", [])
    text = render(plan_for("katana", task=task)).text
    assert "not seen when this was written" in text
    assert 'bash "$script"' in text


def test_image_sees_the_folder_of_the_script() -> None:
    task = make_task(None, "/there/run.py", [])
    plan = plan_for("frontier", account="a", image="/x.sif", task=task)
    assert '--bind "${script%/*}"' in render(plan).text


@pytest.mark.parametrize(
    ("kind", "script", "message"),
    [
        ("trian", None, "--task: expected one of doctor, predict, prepare, train, got 'trian'."),
        ("train", "x.py", "--script: expected no --task beside it, got 'train'"),
    ],
)
def test_wrong_task_is_named(kind: str, script: str | None, message: str) -> None:
    with pytest.raises(DeployError) as caught:
        make_task(kind, script, [])
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["prepare", "predict", "doctor"])
def test_script_of_a_task_is_clean(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "job.sh"
    file.write_text(render(plan_for("frontier", account="a", task=make_task(kind, None, ()))).text)
    subprocess.run(["bash", "-n", file], check=True, timeout=20)
