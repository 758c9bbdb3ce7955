"""Whatever is asked of any machine: refused with a message, or rendered and read back equal."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hydria.core.errors import DeployError
from hydria.deploy.checks import judge, judge_script
from hydria.deploy.checks.script import says_its_plan
from hydria.deploy.launching import cores_of_mask, mask_of
from hydria.deploy.plan import Decision
from hydria.deploy.render import render
from hydria.deploy.sites import load_site, site_names
from hydria.deploy.task import make_task
from tests.support.jobs import exports_of, plan_for
from tests.support.site_jobs import MACHINES

# Words as no one should type them, but somebody will.
WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
NASTY = st.sampled_from(
    [
        "a b",
        "it's",
        'say "hi"',
        "$HOME",
        "`id`",
        "$(id)",
        "a\nb",
        "Ångström",
        "a;b",
        "-rf",
        "~",
        "*",
    ]
)
TEXT = WORDS | NASTY
NAMES = st.sampled_from(["FOO", "OMP_PLACES", "NCCL_DEBUG"]) | WORDS
QUEUES = sorted({row.name for name in site_names() for row in load_site(name).site.queues})
FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "nodes": st.sampled_from([1, 2, 10, 92, 256, 10000]),
        "gpus": st.integers(0, 12),
        "cpus": st.sampled_from([1, 6, 32, 48, 56, 96]),
        "memory": st.sampled_from(["1G", "64G", "2T"]),
        "walltime": st.sampled_from(["30s", "10m", "1h", "12h", "3d"]),
        "account": st.just("abc123") | TEXT,
        "queue": st.sampled_from(QUEUES) | TEXT,
        "constraint": st.sampled_from(["gpu", "gpu&hbm80g", "A100"]) | TEXT,
        "mail": st.just("me@home.org") | TEXT,
        "filesystems": st.sampled_from(["home:flare", "home:eagle", "grand"]) | TEXT,
        "directives": st.lists(
            st.sampled_from(["--exclude=n1", "--gres=gpu:1", "-W x=y", "-l nice=1"]) | TEXT,
            max_size=2,
        ),
        "inject": st.lists(st.sampled_from(["nccl", "cuda-mpi", "mpi"]) | TEXT, max_size=2),
        "image": st.just("/x/hydria.sif") | TEXT,
        "venv": TEXT,
        "stage": st.sampled_from(["none", "image", "data", "all"]),
        "ranks": st.sampled_from([1, 8, 12]),
        "data": st.just("/data") | TEXT,
        "run_dir": st.just("/runs/a") | TEXT,
        "env": st.dictionaries(NAMES, TEXT, max_size=2),
    },
)
TASKS = st.sampled_from(["train", "prepare", "predict", "doctor"]).map(
    lambda kind: make_task(kind, None, ())
) | st.tuples(TEXT.filter(lambda text: "\0" not in text), st.lists(TEXT, max_size=2)).map(
    lambda pair: make_task(None, pair[0], pair[1])
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """A machine, and flags: mostly a few beside those that it needs, so that many are rendered."""
    site = draw(st.sampled_from(site_names()))
    machine, flags = MACHINES[site], draw(FLAGS)
    if draw(st.integers(0, 3)) == 0:
        return site, (), flags
    few = draw(st.lists(st.sampled_from(sorted(flags) or ["nodes"]), max_size=2))
    chosen = {key: value for key, value in flags.items() if key in few}
    return site, (*machine.assume, *machine.assume_many), machine.flags | chosen


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests(), TASKS, st.booleans())
def test_whatever_is_asked_is_refused_or_rendered_and_read_back(
    request: tuple[str, tuple[str, ...], dict[str, Any]], task: Any, bash: bool
) -> None:
    site, assume, flags = request
    try:
        plan = plan_for(site, task=task, assume=assume, **flags)
    except DeployError:
        return
    if any(finding.level == "E" for finding in judge(plan)):
        return
    script = render(plan)
    found = judge_script(plan, script) if bash else list(says_its_plan(plan, script))
    assert [str(finding) for finding in found] == []
    assert render(plan) == script
    for name, value in (flags.get("env") or {}).items():
        assert exports_of(script.text)[name] == value


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(site_names()), st.sampled_from(["nodes", "walltime_s", "ranks_per_node"]))
def test_script_of_another_plan_is_found_out(site: str, key: str) -> None:
    machine = MACHINES[site]
    plan = plan_for(site, assume=machine.assume, **machine.flags)
    script = render(plan)
    other = replace(plan, **{key: Decision(getattr(plan, key).value + 1, "", "")})
    told = {
        "nodes": "nodes" in script.text and plan.site.scheduler.kind != "local",
        "walltime_s": plan.site.scheduler.kind != "local",
        "ranks_per_node": "{ranks" in plan.site.launch.template and bool(plan.launch),
    }
    assert bool(list(says_its_plan(other, script))) >= told[key]


@given(st.lists(st.integers(0, 255), unique=True, max_size=64).map(sorted))
def test_mask_is_read_back(cores: list[int]) -> None:
    assert list(cores_of_mask(mask_of(cores))) == cores


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_words_of_a_command_stay_words(text: str) -> None:
    plan = plan_for("local", task=make_task(None, "run.sh", (text,)))
    assert shlex.split(plan.task.words)[-1] == text
