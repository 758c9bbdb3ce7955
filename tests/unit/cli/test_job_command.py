"""`hydria job`, `hydria submit` and `hydria site` as a person types them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hydria.cli.job_options import Asked
from hydria.cli.main import run
from hydria.config.job import JobConfig
from hydria.core.assets import asset_dir
from hydria.core.errors import ConfigError, HydriaError, Problem
from hydria.deploy.submit import job_ids
from tests.support.jobs import small_config

HEAVY = {"torch", "numpy", "scipy", "ase", "rich", "spython", "torch_geometric"}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and a folder with a config named `tiny`."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("HYDRIA_", "SBATCH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.json").write_text(json.dumps(small_config()))
    return tmp_path


def hydria(*words: str) -> int:
    """The exit code of one command; errors of the user are raised."""
    with pytest.raises(SystemExit) as caught:
        run(list(words))
    return int(caught.value.code or 0)


def job(*words: str, site: str = "frontier") -> int:
    return hydria("job", "--site", site, "--config", "tiny.json", *words)


@pytest.mark.parametrize(
    ("site", "extension"), [("frontier", "slurm"), ("katana", "pbs"), ("local", "sh")]
)
def test_job_writes_the_script_where_people_look(
    workplace: Path, site: str, extension: str
) -> None:
    assert job(site=site) == 0
    assert (workplace / f"jobs/rendered/{site}/tiny.{extension}").is_file()


@pytest.mark.parametrize(
    ("name", "told"), [("mine.sh", "mine.sh"), ("a b.sh", "'a b.sh'"), ("a\nb.sh", "tiny.slurm")]
)
def test_script_says_its_own_name_where_a_comment_can(
    workplace: Path, name: str, told: str
) -> None:
    assert job("--account", "ABC123", "--out", str(workplace / name)) == 0
    assert f"# submit    sbatch {told}\n" in (workplace / name).read_text()


def test_job_says_how_to_add_the_account(capsys: pytest.CaptureFixture[str]) -> None:
    job()
    said = capsys.readouterr()
    assert "No account was given" in said.err
    assert "sbatch -A YOUR_PROJECT jobs/rendered/frontier/tiny.slurm" in said.out


def test_job_prints_its_plan_with_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    job("Training.num_epoch=5", "--json", "--nodes", "2", "--walltime", "90m", "--env", "FOO=1")
    plan = json.loads(capsys.readouterr().out)
    assert plan["nodes"] == {"value": 2, "reason": "nodes of the job", "source": "--nodes"}
    assert plan["walltime_s"]["value"] == 5400
    assert plan["overrides"] == ["NeuralNetwork.Training.num_epoch=5"]
    assert plan["placement"][0] == {"local_rank": 0, "cores": [1, 2, 3, 4, 5, 6, 7], "gpu": 4}
    assert "--nodes=2" in plan["directives"]
    assert all(entry["reason"] and entry["source"] for entry in plan["environment"])


def test_overrides_travel_in_the_script(workplace: Path) -> None:
    job("NeuralNetwork.Training.num_epoch=5", "--out", "five.slurm")
    text = (workplace / "five.slurm").read_text()
    assert '"num_epoch": 5' in text
    assert "# override  NeuralNetwork.Training.num_epoch=5" in text


def test_job_section_of_the_config_counts(workplace: Path) -> None:
    (workplace / "tiny.json").write_text(
        json.dumps(small_config() | {"Job": {"nodes": 92, "walltime": "6h", "mem": None}})
    )
    job("--out", "x.slurm")
    assert "#SBATCH --nodes=92\n#SBATCH --time=06:00:00" in (workplace / "x.slurm").read_text()
    job("--out", "x.slurm", "--nodes", "93")
    assert "#SBATCH --nodes=93\n" in (workplace / "x.slurm").read_text()


@pytest.mark.parametrize(
    ("site", "config", "words", "message"),
    [
        ("fronteir", "tiny.json", [], "did you mean 'frontier'?"),
        ("local", "tinny", [], "no such config"),
        ("local", "tiny.json", ["--env", "FOO"], "--env: expected K=V, got 'FOO'"),
        ("local", "tiny.json", ["--walltime", "2:00"], "--walltime: expected a walltime as"),
        ("local", "tiny.json", ["--nodes", "0"], "--nodes: expected a whole number ≥ 1, got 0"),
        ("local", "tiny.json", ["--out", "."], "--out: cannot write .: it is a folder"),
        ("local", "tiny.json", ["--out", "tiny.json/x"], "--out: cannot write tiny.json/x: "),
        ("local", "tiny.json", ["num_epcoh=3"], "num_epoch"),
    ],
)
def test_wrong_input_gives_one_message_and_no_script(
    workplace: Path, site: str, config: str, words: list[str], message: str
) -> None:
    with pytest.raises(HydriaError) as caught:
        run(["job", "--site", site, "--config", config, *words])
    assert message in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (workplace / "jobs").exists()


def test_refused_job_leaves_the_old_script(workplace: Path) -> None:
    job("--out", "x.slurm")
    before = (workplace / "x.slurm").read_text()
    with pytest.raises(HydriaError):
        job("--out", "x.slurm", "--walltime", "12h")
    assert (workplace / "x.slurm").read_text() == before


def test_every_key_of_a_job_has_an_option() -> None:
    assert set(JobConfig.model_fields) <= set(Asked.__dataclass_fields__)


def test_job_explains_itself_and_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    job("--explain", "--nodes", "2", "--walltime", "90m")
    said = capsys.readouterr().out
    assert "cost at most       3 node-hours" in said
    assert "one rank per GPU [plan]" in said
    assert "script  jobs/rendered/frontier/tiny.slurm" in said
    job("--json", "--nodes", "2", "--walltime", "90m")
    (cost,) = json.loads(capsys.readouterr().out)["costs"]
    assert (cost["amount"], cost["unit"]) == (3, "node-hours")


def test_note_about_all_jobs_of_a_sweep_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    job("--sweep", "nodes=1,2", "--account", "a")
    assert capsys.readouterr().err.count("facts that sources contradict") == 1


def test_own_script_needs_no_config(workplace: Path) -> None:
    (workplace / "own.py").write_text("print()\n")
    words = ["job", "--site", "frontier", "--script", "own.py", "--account", "a"]
    assert hydria(*words, "--", "--lr", "3") == 0
    text = (workplace / "jobs/rendered/frontier/own.slurm").read_text()
    assert "script=./own.py\n" in text
    assert 'python "$script" --lr 3\n' in text


@pytest.mark.parametrize("task", ["predict", "doctor"])
def test_words_are_arguments_of_such_a_task(workplace: Path, task: str) -> None:
    job("--task", task, "--out", "x.slurm", "--account", "a", "--", "--split", "train")
    text = (workplace / "x.slurm").read_text()
    assert re.search(rf"exec srun .* hydria {task}.* --split train$", text, re.MULTILINE)


def test_task_does_not_take_the_place_of_the_training_script(workplace: Path) -> None:
    job(site="local")
    job("--task", "predict", site="local")
    names = {path.name for path in (workplace / "jobs/rendered/local").iterdir()}
    assert names == {"tiny.sh", "tiny-predict.sh"}


def test_task_without_its_config_is_refused() -> None:
    with pytest.raises(HydriaError, match="--config: expected a config, which predict needs"):
        run(["job", "--site", "local", "--task", "predict"])


def test_sweep_writes_a_script_with_a_run_folder_for_each(workplace: Path) -> None:
    job("--sweep", "nodes=1,2", "--account", "a", "--run-dir", "/scaling", "--out", "study")
    for nodes in (1, 2):
        text = (workplace / f"study/tiny-nodes-{nodes}.slurm").read_text()
        assert f"#SBATCH --nodes={nodes}\n" in text
        assert f"\nrun_dir=/scaling/nodes-{nodes}\n" in text


def test_lint_names_what_shellcheck_finds(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert job("--lint", "--account", "a", "--out", "x.slurm") == 0
    put_on_path(workplace, "shellcheck", monkeypatch, "x.slurm: line 3: SC2086")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(HydriaError, match=r"--lint: shellcheck:\nx\.slurm: line 3: SC2086"):
        job("--lint", "--account", "a", "--out", "x.slurm")


def put_on_path(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, says: str = "", code: int = 3
) -> None:
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f'#!/bin/bash\necho "{name} $*" >> {folder}/submitted\necho "{says}"\nexit {code}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("site", "command", "file"),
    [("frontier", "sbatch", "tiny.slurm"), ("katana", "qsub", "tiny.pbs")],
)
def test_submit_hands_the_script_over(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, site: str, command: str, file: str
) -> None:
    put_on_path(workplace, command, monkeypatch)
    code = hydria("submit", "--site", site, "--config", "tiny.json", "--account", "abc123")
    assert code == 3
    submitted = (workplace / "submitted").read_text()
    assert submitted == f"{command} jobs/rendered/{site}/{file}\n"


SUBMIT = ["submit", "--config", "tiny.json", "--account", "a", "--run-dir", "run"]


def test_submit_notes_the_job_in_the_run_folder(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(workplace, "sbatch", monkeypatch, "Submitted batch job 4711", 0)
    assert hydria(*SUBMIT, "--site", "frontier") == 0
    assert list(job_ids(workplace / "run")) == ["4711"]
    line = json.loads((workplace / "run/job/submitted.jsonl").read_text())
    script = workplace / line["script"]
    assert line["sha256"] == hashlib.sha256(script.read_bytes()).hexdigest()
    assert line["command"] == "sbatch jobs/rendered/frontier/tiny.slurm"


def test_run_folder_that_cannot_be_written_does_not_cost_the_job(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_on_path(workplace, "sbatch", monkeypatch, "Submitted batch job 4711", 0)
    (workplace / "run").write_text("a file")
    assert hydria(*SUBMIT, "--site", "frontier") == 0
    assert "job 4711 is not noted in run: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("site", "command", "says", "second"),
    [
        ("frontier", "sbatch", "Submitted batch job 7", "--dependency=afterany:7 {file} 1"),
        ("katana", "qsub", "7.kman", "-W depend=afterany:7.kman -v HYDRIA_RESTARTS=1 {file}"),
        ("tuolumne", "flux", "f7", "batch --dependency=afterany:f7 {file} 1"),
    ],
)
def test_chain_waits_for_the_job_before(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    site: str,
    command: str,
    says: str,
    second: str,
) -> None:
    put_on_path(workplace, command, monkeypatch, says, 0)
    assert hydria(*SUBMIT, "--site", site, "--chain", "2", "--out", "x") == 0
    calls = (workplace / "submitted").read_text().splitlines()
    assert len(calls) == 2
    assert calls[1] == f"{command} {second.format(file='x')}"


def test_job_that_goes_on_by_itself_is_not_chained(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(workplace, "sbatch", monkeypatch)
    words = [*SUBMIT, "--site", "frontier", "--assume", "restart.requeue=requeue_flag"]
    with pytest.raises(HydriaError, match="--chain: expected no chain on frontier"):
        run([*words, "--chain", "2"])
    assert not (workplace / "submitted").exists()


@pytest.mark.parametrize("one_by_one", [True, False])
def test_sweep_is_submitted_together_or_one_by_one(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, one_by_one: bool
) -> None:
    put_on_path(workplace, "sbatch", monkeypatch, "Submitted batch job 7", 0)
    more = ["--one-by-one"] if one_by_one else []
    assert hydria(*SUBMIT, "--site", "frontier", "--sweep", "nodes=1,2", *more) == 0
    calls = (workplace / "submitted").read_text().splitlines()
    assert ("--dependency=afterany:7" in calls[1]) is one_by_one
    assert "--dependency" not in calls[0]


SEEDS = ["--sweep", "NeuralNetwork.Training.seed=1,2,3"]


def test_sweep_over_seeds_is_one_array(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(workplace, "sbatch", monkeypatch, "Submitted batch job 7", 0)
    assert hydria(*SUBMIT, "--site", "frontier", *SEEDS, "--array", "2", "--out", "a b") == 0
    assert (workplace / "submitted").read_text() == "sbatch a b/tiny-array.slurm\n"
    text = (workplace / "a b/tiny-array.slurm").read_text()
    assert "#SBATCH --array=0-2%2\n" in text
    assert "    'a b/tiny-seed-2.slurm'\n" in text
    assert '"seed": 2' in (workplace / "a b/tiny-seed-2.slurm").read_text()
    assert text.count("--job-name") == 1


def test_member_of_an_array_runs_its_own_script(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put_on_path(workplace, "qsub", monkeypatch, "7[].katana", 0)
    folders = ["--run-dir", str(workplace / "runs"), "--data", "data"]
    words = ["--site", "katana", *SEEDS, "--array", "2", "--out", "a b", *folders]
    assert hydria(*SUBMIT, *words) == 0
    for seed in (1, 2, 3):
        noted = (workplace / f"runs/seed-{seed}/job/submitted.jsonl").read_text()
        assert json.loads(noted)["job_id"] == "7[].katana"
    script = workplace / "a b/tiny-array.pbs"
    assert "#PBS -J 0-2%2\n" in script.read_text()
    (workplace / "a b/tiny-seed-2.pbs").write_text("echo second\n")
    capfd.readouterr()
    subprocess.run(["bash", script], env=os.environ | {"PBS_ARRAY_INDEX": "1"}, check=True)
    assert capfd.readouterr().out == "second\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--site", "frontier", "--sweep", "nodes=1,2"], "--array: expected jobs that ask for the"),
        (["--site", "tuolumne", *SEEDS], "expected a site with Slurm or PBS, got tuolumne: its"),
        (["--site", "katana", "--sweep", "cpus=6"], "--array: expected several jobs, got one"),
        (["--site", "local", "--task", "predict", *SEEDS], "--sweep: expected nodes, gpus, cpus"),
    ],
)
def test_array_that_cannot_be_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(HydriaError, match=message):
        run([*SUBMIT, *words, "--array", "2"])


def test_dry_run_prints_the_commands_and_submits_nothing(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_on_path(workplace, "qsub", monkeypatch)
    assert hydria(*SUBMIT, "--site", "katana", "--chain", "2", "--dry-run", "--out", "x") == 0
    assert capsys.readouterr().out.splitlines() == [
        "qsub x",
        "  run folder run",
        "qsub -W depend=afterany:ID -v HYDRIA_RESTARTS=1 x",
        "  run folder run",
    ]
    assert not (workplace / "submitted").exists()


def test_submit_refuses_without_an_account(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(workplace, "sbatch", monkeypatch)
    with pytest.raises(HydriaError, match="charges every job to a project, and none was given"):
        run(["submit", "--site", "frontier", "--config", "tiny.json"])
    assert not (workplace / "submitted").exists()


def test_submit_without_the_scheduler_says_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HydriaError, match="expected qsub on this machine"):
        run(["submit", "--site", "katana", "--config", "tiny.json"])


def test_sites_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    hydria("site", "list")
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"frontier", "katana", "local"} <= set(names)


def test_site_is_shown_as_written_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    hydria("site", "show", "frontier")
    assert "name: frontier" in capsys.readouterr().out
    hydria("site", "show", "frontier", "--json")
    assert json.loads(capsys.readouterr().out)["node"]["cores"]["value"] == 64


def test_site_check_tells_unknown_facts_and_faults(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hydria("site", "check") == 0
    assert "restart.requeue: unknown; what needs it is refused" in capsys.readouterr().out
    (workplace / "bad.yaml").write_text("name: bad\n")
    with pytest.raises(HydriaError, match=r"bad\.yaml: facility: field required"):
        run(["site", "check", "bad.yaml"])


def test_site_check_tells_old_facts_and_names_that_nothing_reads(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (asset_dir("site") / "frontier.yaml").read_text()
    text = text.replace("name: frontier\n", "name: mine\n", 1)
    text = text.replace("as_of: 2026-07-07", "as_of: 2025-07-07")
    (workplace / "mine.yaml").write_text(text.replace("MIOPEN_USER_DB_PATH", "MIOPEN_USER_DB"))
    assert hydria("site", "check", "mine.yaml") == 0
    said = capsys.readouterr().out
    assert "MIOPEN_USER_DB: not a known name; did you mean MIOPEN_USER_DB_PATH?" in said
    assert re.search(r"\d+ days old.*pytorch_frontier\.html", said)


def test_site_explains_a_variable(capsys: pytest.CaptureFixture[str]) -> None:
    hydria("site", "explain", "NCCL_NET", "frontier")
    assert "when nodes > 1" in capsys.readouterr().out
    with pytest.raises(HydriaError, match="says nothing about 'FOO'"):
        run(["site", "explain", "FOO", "frontier"])


def test_job_needs_nothing_heavy() -> None:
    code = (
        "import sys\nfrom hydria.cli.main import run\n"
        "try:\n    run(['job', '--site', 'frontier', '--config', 'tiny.json'])\n"
        "except SystemExit:\n    pass\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    words = [sys.executable, "-c", code]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.splitlines()[-1] == "[]"


def test_config_that_this_version_cannot_train_is_refused(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Problem("NeuralNetwork.Training.x", "asks for y, which this version cannot do")
    monkeypatch.setattr("hydria.cli.job_scripts.not_yet", lambda config: [later])
    with pytest.raises(ConfigError, match=r"Training\.x: asks for y"):
        job()
    assert not (workplace / "jobs").exists()
    assert hydria("job", "--site", "frontier", "--task", "prepare", "--config", "tiny.json") == 0


def test_what_is_assumed_or_unverified_is_asked_for_by_name(workplace: Path) -> None:
    asked = ["--account", "abc123", "--nodes", "4", "--out", "script"]
    with pytest.raises(HydriaError, match=r"--assume 'queues\[0\]\.nodes\[1\]=N'"):
        job(*asked, site="leonardo")
    assert job(*asked, "--assume", "queues[0].nodes[1]=64", site="leonardo") == 0
    assert "# ASSUMED   queues[0].nodes[1] = '64'" in (workplace / "script").read_text()
    image = ["--image", "/x.sif", "--nodes", "256", "--account", "abc123", "--out", "script"]
    with pytest.raises(HydriaError, match="or --accept-unverified"):
        job(*image, site="aurora")
    assert job(*image, "--accept-unverified", site="aurora") == 0
    assert "# ASSUMED   what is unverified works" in (workplace / "script").read_text()
