"""Preflight, staging, going on: what a plan decides about them, and what scripts do then."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from hydria.deploy.checks import judge_script
from hydria.deploy.render import render
from hydria.deploy.task import make_task
from hydria.doctor.plan import PlannedJob
from tests.support.jobs import plan_for, step_of

REQUEUE = "restart.requeue={}"


def planned_in(text: str) -> PlannedJob:
    match = re.search(r"<< 'HYDRIA_PLAN'\n(.*?)\nHYDRIA_PLAN\n", text, re.DOTALL)
    assert match is not None
    return PlannedJob.model_validate(json.loads(match[1]))


def test_doctor_can_read_the_plan_of_a_script() -> None:
    plan = plan_for("frontier", nodes=2, account="a")
    planned = planned_in(render(plan).text)
    assert (planned.site, planned.ranks, planned.nodes.value) == ("frontier", 16, 2)
    assert [(place.cores, place.gpu) for place in planned.placement] == [
        (place.cores, place.gpu) for place in plan.places
    ]
    assert {variable.name for variable in planned.environment} == {e.name for e in plan.env}


def test_preflight_has_the_launcher_of_the_ranks() -> None:
    text = render(plan_for("frontier", nodes=2, account="a", image="/x.sif")).text
    match = re.search(r"^preflight\(\) \{\n    exec (.*)\n\}", text, re.MULTILINE)
    assert match is not None
    before, ranks = shlex.split(match[1].partition(" hydria ")[0]), step_of(text)
    at = ranks.index("$staged")  # nothing is staged yet when ranks are looked at
    assert before == ranks[: at - 1] + ranks[at + 1 : ranks.index("hydria")]
    assert text.index("run_step preflight") < text.index("hydria prepare")


@pytest.mark.parametrize(
    ("site", "flags", "kind", "wanted"),
    [
        ("frontier", {}, "train", True),
        ("frontier", {"preflight": False}, "train", False),
        ("local", {}, "train", False),
        ("frontier", {}, "doctor", False),
    ],
)
def test_preflight_where_ranks_could_be_elsewhere(
    site: str, flags: dict[str, bool], kind: str, wanted: bool
) -> None:
    plan = plan_for(site, account="a", task=make_task(kind, None, ()), **flags)
    assert plan.preflight.value is wanted
    assert ("run_step preflight" in render(plan).text) is wanted


@pytest.mark.parametrize(
    ("flags", "staged"),
    [
        ({"nodes": 1}, ()),
        ({"nodes": 2}, ("data",)),
        ({"nodes": 2, "image": "/x.sif"}, ("image", "data")),
        ({"nodes": 2, "image": "/x.sif", "stage": "image"}, ("image",)),
        ({"nodes": 2, "image": "/x.sif", "stage": "none"}, ()),
        ({"nodes": 1, "stage": "all"}, ("data",)),
    ],
)
def test_staging_where_many_nodes_read_the_same(
    flags: dict[str, object], staged: tuple[str, ...]
) -> None:
    plan = plan_for("frontier", account="a", **flags)
    assert plan.staging.value == staged
    text = render(plan).text
    assert ("#SBATCH --constraint=nvme\n" in text) is bool(staged)
    assert ("if run_step sbcast -pf" in text) is ("image" in staged)
    assert ("cp -rL" in text) is ("data" in staged)
    assert judge_script(plan, render(plan)) == []


def test_staging_adds_its_feature_to_those_asked_for() -> None:
    plan = plan_for("frontier", nodes=2, account="a", constraint="rack7")
    assert plan.constraint.value == "rack7&nvme"


@pytest.mark.parametrize("site", ["lumi", "katana", "local"])
def test_machine_without_node_local_storage_stages_nothing(site: str) -> None:
    assert plan_for(site, account="project_1").staging.value == ()


@pytest.mark.parametrize(
    ("site", "how", "restarts", "command"),
    [
        ("frontier", "requeue_flag", "${SLURM_RESTART_COUNT:-0}", 'scontrol requeue "$job_id"'),
        ("frontier", "resubmit", "${1:-0}", 'sbatch "$run_dir/job/submitted" "$((restarts + 1))"'),
        ("katana", "resubmit", "${HYDRIA_RESTARTS:-0}", 'qsub -v HYDRIA_RESTARTS='),
        ("katana", "rerun_y", '$(cat -- "$run_dir/job/reruns-$job_id"', 'qrerun "$job_id"'),
        ("tuolumne", "resubmit", "${1:-0}", 'flux --parent batch "$run_dir/job/submitted"'),
    ],
)  # fmt: skip
def test_job_goes_on_as_the_site_allows(site: str, how: str, restarts: str, command: str) -> None:
    plan = plan_for(site, account="a", assume=[REQUEUE.format(how)])
    text = render(plan).text
    assert plan.requeues.value == 5
    assert f"restarts={restarts}" in text
    assert command in text
    assert '"$restarts" -lt 5 ]' in text
    assert ("#SBATCH --requeue" in text) is (how == "requeue_flag")
    assert judge_script(plan, render(plan)) == []


def test_job_that_may_not_go_on_says_so() -> None:
    plan = plan_for("frontier", account="a")
    assert plan.requeues.value == 0
    text = render(plan).text
    assert "scontrol requeue" not in text
    assert "the job before this one failed: not going on" in text


def test_ports_of_jobs_without_a_documented_one_differ() -> None:
    frontier, aurora = (render(plan_for(s, account="a")).text for s in ("frontier", "aurora"))
    assert "MASTER_PORT=3442" in frontier
    assert 'MASTER_PORT=$((20000 + $(cksum <<< "$job_id"' in aurora
    assert "\nfree_port\n" in aurora
