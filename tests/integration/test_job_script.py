"""Rendered scripts run from end to end, with stand-ins for schedulers and for the trainer.

The stand-in trainer writes the status that a test tells it to, so that what the script makes of
it is seen in seconds; tests/cluster runs the real one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from hydria.deploy.render import render
from hydria.deploy.task import Task, make_task
from tests.support.jobs import plan_for

TRAINER = """#!/bin/bash
# stand-in for hydria: notes its call, does what TRAINER tells it
echo "hydria $*" >> "$CALLS"
run_dir=$(dirname "$(dirname "$2")")
form='{\\n  "state": "%s",\\n  "exit_code": %s\\n}\\n'
tell() { printf "$form" "$1" "$2" > "$run_dir/status.json"; }
case $1:$TRAINER in
    doctor:elsewhere) exit 2 ;;
    doctor:*) ;;
    prepare:fails) exit 2 ;;
    prepare:slow) exec sleep 60 ;;
    prepare:*) ;;
    *:finished) tell finished 0 ;;
    *:failed) tell failed 2; exit 1 ;;
    *:crashed) exit 139 ;;
    *:deaf)
        tell running null
        exec sleep 60
        ;;
    *:waits)
        until [ -e "$run_dir/STOP" ]; do sleep 0.05; done
        tell stopped 75
        exit 75
        ;;
esac
"""
# Launchers run what follows their options, once; other commands note that they were called.
LAUNCHER = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
while [[ $1 == -* ]]; do shift; done
exec "$@"
"""
FLUX = """#!/bin/bash
echo "flux $*" >> "$CALLS"
[ "$1" = run ] || exit 0
while [ "$1" != hydria ] && [ "$1" != mkdir ]; do shift; done
exec "$@"
"""
NOTED = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
"""
PROGRAMS = {
    "hydria": TRAINER,
    "srun": LAUNCHER,
    "torchrun": LAUNCHER,
    "flux": FLUX,
    "module": NOTED,
    "scontrol": NOTED,
}
REQUEUEING = """
name: requeueing
facility: tests
docs_url: tests
as_of: 2026-11-20
maintainer: tests
arch: any
scheduler: {kind: slurm}
memory_policy: none
select_style: tasks
queues: [{name: batch, kind: partition, nodes: [1, 2], walltime: ["1m", "1h"]}]
defaults: {walltime: "00:10:00"}
node: {cores: 4}
launch: {cmd: srun, template: "srun -n{ranks}"}
container: {runtime: none}
storage: {scratch: "."}
restart: {signal: scheduler, lead_s: 60, requeue: requeue_flag, max: 2}
"""
JOB = {"SLURM_JOB_ID": "17", "SLURM_JOB_ACCOUNT": "abc123", "PBS_JOBID": "18.server"}


@dataclass(frozen=True)
class Stage:
    """A folder with stand-ins; its run folder has a space and a quote in its name."""

    folder: Path

    @property
    def run_dir(self) -> Path:
        return self.folder / "run of o'neill"

    def start(
        self,
        site: str,
        trainer: str,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        overrides: Sequence[str] = (),
        **flags: Any,
    ) -> subprocess.Popen[str]:
        where = {"run_dir": str(self.run_dir), "data": str(self.folder / "data")}
        script = self.folder / f"job-{len(list(self.folder.glob('job-*')))}.sh"
        script.write_text(render(plan_for(site, *overrides, **where, **flags)).text)
        env = os.environ | JOB | {"TRAINER": trainer, "CALLS": str(self.folder / "calls")}
        env |= {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin"} | dict(environment or {})
        return subprocess.Popen(
            ["bash", script, *arguments], env=env, cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, site: str, trainer: str, **more: Any) -> tuple[int, str]:
        return finish(self.start(site, trainer, **more))

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def left_behind(self, state: str) -> None:
        """The status of an earlier job in the same run folder."""
        self.run_dir.mkdir()
        status = self.run_dir / "status.json"
        status.write_text(f'{{\n  "state": "{state}",\n  "exit_code": 0\n}}\n')
        os.utime(status, (1, 1))

    def wait_for_call(self, words: str) -> None:
        end = time.monotonic() + 20
        while not (self.folder / "calls").exists() or words not in "\n".join(self.calls()):
            assert time.monotonic() < end, words
            time.sleep(0.05)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=40)
    return process.returncode, output


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    return Stage(tmp_path)


@pytest.mark.parametrize("site", ["local", "frontier", "katana"])
def test_script_prepares_then_trains(stage: Stage, site: str) -> None:
    code, output = stage.run(site, "finished")
    assert code == 0, output
    config = f"{stage.run_dir}/job/small.json"
    ours = [call for call in stage.calls() if call.startswith("hydria")]
    planned = [] if site == "local" else ours[:1]
    assert [call.split(" --run-dir")[0] for call in planned] == [
        f"hydria doctor --plan {stage.run_dir}/job/plan.json" for _ in planned
    ]
    assert ours[len(planned) :] == [
        f"hydria prepare {config} --data {stage.folder / 'data'}",
        f"hydria train {config} --run-dir {stage.run_dir}",
    ]
    assert f"finished: {stage.run_dir}/report.html" in output


def test_launcher_of_the_site_is_used(stage: Stage) -> None:
    stage.run("frontier", "finished")
    starts = [call for call in stage.calls() if call.startswith("srun")]
    ranks = "srun -N1 -n8 -c7 --gpus-per-task=1 --gpu-bind=closest hydria"
    assert starts[0].startswith(f"{ranks} doctor --plan")
    assert starts[1].startswith("srun -N1 -n1 --ntasks-per-node=1 mkdir -p -- /tmp/")
    assert starts[2].startswith(f"{ranks} train")


@pytest.mark.parametrize("state", ["stopped", "running", "failed"])
def test_run_that_is_not_finished_is_resumed(stage: Stage, state: str) -> None:
    stage.left_behind(state)
    assert stage.run("local", "finished")[0] == 0
    assert stage.calls()[-1].endswith("--resume")


def test_finished_run_is_shown_and_not_begun_again(stage: Stage) -> None:
    assert stage.run("local", "finished")[0] == 0
    code, output = stage.run("local", "finished")
    assert code == 0, output
    assert stage.calls()[-1] == f"hydria report {stage.run_dir} --table"
    assert len([call for call in stage.calls() if "hydria train" in call]) == 1
    assert "holds a finished run of this config: nothing is left to do" in output
    assert f"report: {stage.run_dir}/report.html" in output
    assert "to train anew, give another --run-dir" in output


def test_finished_run_of_another_config_is_not_taken_for_this_one(stage: Stage) -> None:
    assert stage.run("local", "finished")[0] == 0
    config = stage.run_dir / "job/small.json"
    config.write_text(config.read_text().replace('"num_epoch": 3', '"num_epoch": 2'))
    code, output = stage.run("local", "finished")
    assert code == 2
    assert "holds a finished run of another config. Hint: give another --run-dir" in output


@pytest.mark.parametrize(("trainer", "code"), [("failed", 2), ("crashed", 139), ("fails", 2)])
def test_failure_keeps_its_exit_code(stage: Stage, trainer: str, code: int) -> None:
    assert stage.run("local", trainer)[0] == code


def test_old_status_does_not_hide_a_crash(stage: Stage) -> None:
    stage.left_behind("stopped")
    assert stage.run("local", "crashed")[0] == 139


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_waits_for_the_checkpoint(stage: Stage, number: signal.Signals) -> None:
    process = stage.start("local", "waits")
    stage.wait_for_call("hydria train")
    process.send_signal(number)
    code, output = finish(process)
    assert code == 75, output
    assert "told to stop: asking for a checkpoint" in output
    assert "submit this script again to go on" in output


def test_ctrl_c_reaches_the_ranks_as_a_request_only(stage: Stage) -> None:
    process = stage.start("local", "waits", cpus=2)
    stage.wait_for_call("hydria train")
    os.killpg(process.pid, signal.SIGINT)
    code, output = finish(process)
    assert code == 75, output


def test_second_ctrl_c_ends_at_once(stage: Stage) -> None:
    process = stage.start("local", "deaf")
    stage.wait_for_call("hydria train")
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    code, output = finish(process)
    assert code == 137, output
    assert "without a checkpoint" in output
    assert "it did not finish (running)" in output


def test_flux_job_is_warned_by_flux(stage: Stage) -> None:
    process = stage.start("tuolumne", "waits")
    stage.wait_for_call("hydria train")
    process.send_signal(signal.SIGUSR1)
    code, output = finish(process)
    assert code == 75, output
    assert "the walltime ends soon: asking for a checkpoint" in output
    assert "submit this script again to go on" in output


def test_pbs_job_warns_itself(stage: Stage) -> None:
    started = time.monotonic()
    code, output = stage.run("katana", "waits", walltime="302s")
    assert code == 75, output
    assert "the walltime ends soon" in output
    assert 2 <= time.monotonic() - started < 20


def test_stop_while_preparing_ends_at_once(stage: Stage) -> None:
    process = stage.start("frontier", "slow")
    stage.wait_for_call("hydria prepare")
    process.send_signal(signal.SIGUSR1)
    code, output = finish(process)
    assert code == 75, output
    assert "stopped before training began" in output
    assert not [call for call in stage.calls() if call.startswith("hydria train")]


def warned(stage: Stage, trainer: str, restarts: int) -> tuple[int, bool]:
    """Exit code of a requeueing job that is warned, and whether it was requeued."""
    site = stage.folder / "requeueing.yaml"
    site.write_text(REQUEUEING)
    process = stage.start(str(site), trainer, {"SLURM_RESTART_COUNT": str(restarts)})
    stage.wait_for_call("hydria train")
    if trainer == "waits":
        process.send_signal(signal.SIGUSR1)
    code, _ = finish(process)
    return code, "scontrol requeue 17" in stage.calls()


@pytest.mark.parametrize(("restarts", "requeued"), [(0, True), (1, True), (2, False)])
def test_warned_job_requeues_a_bounded_number_of_times(
    stage: Stage, restarts: int, requeued: bool
) -> None:
    assert warned(stage, "waits", restarts) == (75, requeued)


@pytest.mark.parametrize("trainer", ["failed", "crashed", "finished"])
def test_only_a_warned_job_requeues(stage: Stage, trainer: str) -> None:
    assert not warned(stage, trainer, 0)[1]


def test_cancelled_job_does_not_requeue(stage: Stage) -> None:
    site = stage.folder / "requeueing.yaml"
    site.write_text(REQUEUEING)
    process = stage.start(str(site), "waits")
    stage.wait_for_call("hydria train")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 75
    assert "scontrol requeue 17" not in stage.calls()


@pytest.mark.parametrize(("state", "code"), [("failed", 2), ("stopped", 0), ("finished", 0)])
def test_job_of_a_chain_goes_on_unless_the_one_before_failed(
    stage: Stage, state: str, code: int
) -> None:
    stage.left_behind(state)
    said, output = finish(stage.start("frontier", "finished", arguments=["1"]))
    assert said == code, output
    assert ("the job before this one failed: not going on" in output) is (state == "failed")


def own_script(stage: Stage, text: str) -> Task:
    script = stage.folder / "own script.sh"
    script.write_text(f"#!/bin/bash\n{text}\n")
    return make_task(None, str(script), ["a b"])


@pytest.mark.parametrize("code", [0, 3])
def test_own_script_keeps_its_exit_code(stage: Stage, code: int) -> None:
    task = own_script(stage, f'echo "got $1"; exit {code}')
    assert stage.run("frontier", "", task=task) == (code, ANY)
    (step,) = [call for call in stage.calls() if "own script.sh" in call]
    assert step.startswith("srun -N1 -n8")
    assert not [call for call in stage.calls() if call.startswith("hydria prepare")]


def test_own_script_is_ended_by_the_warning(stage: Stage) -> None:
    task = own_script(stage, 'echo began >> "$CALLS"; exec sleep 60')
    process = stage.start("frontier", "", task=task)
    stage.wait_for_call("began")
    process.send_signal(signal.SIGUSR1)
    code, output = finish(process)
    assert code == 143, output
    assert "the walltime ends soon: ending what runs" in output


def test_other_task_leaves_a_running_training_alone(stage: Stage) -> None:
    training = stage.start("local", "waits")
    stage.wait_for_call("hydria train")
    config = (stage.run_dir / "job/small.json").read_text()
    changed = {"task": make_task("prepare", None, ())}
    assert stage.run("local", "finished", overrides=["Training.num_epoch=9"], **changed)[0] == 0
    assert (stage.run_dir / "job/small.json").read_text() == config
    assert not (stage.run_dir / "STOP").exists()
    training.send_signal(signal.SIGTERM)
    assert finish(training)[0] == 75


def test_script_outside_its_scheduler_says_so(stage: Stage) -> None:
    code, output = finish(stage.start("frontier", "finished", {"SLURM_JOB_ID": ""}))
    assert code != 0
    assert "this script belongs to sbatch" in output


def test_job_whose_ranks_are_elsewhere_stops_at_once(stage: Stage) -> None:
    code, output = stage.run("frontier", "elsewhere")
    assert code == 2
    assert "the machine is not as planned" in output
    assert not [call for call in stage.calls() if "hydria prepare" in call]


def test_missing_hydria_is_told_before_anything_runs(stage: Stage) -> None:
    (stage.folder / "bin/hydria").unlink()
    code, output = stage.run("local", "finished")
    assert code == 2
    assert "hydria is not installed here: give --image, or --venv DIR" in output


def test_missing_image_is_told(stage: Stage) -> None:
    code, output = stage.run("katana", "finished", image="/no/such.sif")
    assert code == 2
    assert "no image at /no/such.sif" in output


def test_venv_comes_first(stage: Stage) -> None:
    (stage.folder / "my env/bin").mkdir(parents=True)
    (stage.folder / "bin/hydria").rename(stage.folder / "my env/bin/hydria")
    assert stage.run("local", "finished", venv=str(stage.folder / "my env"))[0] == 0
