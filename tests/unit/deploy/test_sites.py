"""What holds for every machine and every scheduler, and for one that nobody has described yet."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hydria.core.assets import asset_dir
from hydria.core.errors import DeployError
from hydria.deploy.checks import judge, judge_script
from hydria.deploy.explain import explain, remarks
from hydria.deploy.render import render
from hydria.deploy.schedulers import SCHEDULERS, scheduler_of
from hydria.deploy.sites import load_site, site_names
from tests.support.jobs import errors_for, plan_for
from tests.support.site_jobs import MACHINES

MADE_UP = """
name: made-up
facility: nowhere
docs_url: nowhere
as_of: 2026-11-20
maintainer: tests
arch: aarch64
scheduler: {kind: pbspro}
account_required: true
memory_policy: chunk
select_style: pbs_chunk
queues: [{name: work, kind: queue, nodes: [1, 4], walltime: ["1m", "1d"]}]
defaults: {walltime: 1h, memory: 10G}
node: {cores: 16, gpus: {count: 4, vendor: nvidia}}
launch: {cmd: mpirun, template: "mpirun -n {ranks} --map-by ppr:{ranks_per_node}:node"}
container: {runtime: unknown}
storage: {scratch: unknown}
"""


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    path = tmp_path / "made-up.yaml"
    path.write_text(MADE_UP)
    return path


@pytest.mark.parametrize("name", site_names())
def test_site_renders_what_it_planned(name: str) -> None:
    machine = MACHINES[name]
    plan = plan_for(name, assume=machine.assume, **machine.flags)
    assert [str(finding) for finding in judge(plan) if finding.level == "E"] == []
    assert judge_script(plan, render(plan)) == []


@pytest.mark.parametrize("name", site_names())
def test_site_names_its_sources(name: str) -> None:
    site = load_site(name).site
    assert all(source.url for source in site.sources.values())
    assert list(remarks(site, site.as_of))


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_scheduler_has_a_template_that_extends_the_base(kind: str) -> None:
    scheduler = scheduler_of(kind)
    text = (asset_dir("jobs") / scheduler.template).read_text()
    assert text.startswith('{% extends "base.sh.j2" %}')


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_scheduler_reads_what_it_writes(kind: str) -> None:
    scheduler = scheduler_of(kind)
    sites = [name for name in site_names() if load_site(name).site.scheduler.kind == kind]
    assert sites
    for name in sites:
        machine = MACHINES[name]
        flags = machine.flags | {"account": "abc123", "mail": "me@home.org"}
        plan = plan_for(name, assume=machine.assume, **flags)
        assert scheduler.read(scheduler.directives(plan)) == scheduler.carried(plan), name


def test_machine_of_one_file_is_served(made_up: Path) -> None:
    plan = plan_for(str(made_up), nodes=2, gpus=4, run_dir="/r", data="/d", account="a")
    text = render(plan).text
    assert "#PBS -q work\n#PBS -l select=2:ncpus=16:mpiprocs=4:ngpus=4:mem=10gb\n" in text
    assert "exec mpirun -n 8 --map-by ppr:4:node hydria train" in text
    assert judge_script(plan, render(plan)) == []


def test_unknown_fact_blocks_only_what_needs_it(made_up: Path) -> None:
    assert errors_for(str(made_up)) == [
        "--data, --run-dir: storage.scratch is unknown on made-up. "
        "Hint: --data DIR --run-dir DIR, or --assume storage.scratch=DIR"
    ]
    plan = plan_for(str(made_up), run_dir="/r", data="/d", image="/x.sif")
    messages = [str(finding) for finding in judge(plan) if finding.level == "E"]
    assert messages == [
        "--image: container.runtime is unknown on made-up. "
        "Hint: --assume container.runtime=…, or no --image"
    ]


def test_site_file_that_is_not_there_is_named() -> None:
    with pytest.raises(DeployError, match=r"expected the file of a machine, got nothing at \./x"):
        load_site("./x.yaml")


def test_unknown_site_names_the_nearest() -> None:
    with pytest.raises(DeployError, match=r"got 'fronteir'. Hint: did you mean 'frontier'\?"):
        load_site("fronteir")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("select_style", "select_styel", "did you mean 'select_style'?"),
        ("name: made-up", "name: other", "made-up.yaml: name: expected 'made-up', got 'other'"),
        ("scratch: unknown", "scratch: $SECRET/x", "storage.scratch: expected plain characters"),
        ("1d", "1 day", "queues.0.walltime.1: expected a walltime"),
        ("mpirun,", "mpirum,", "launch.cmd: input should be 'srun'"),
        ("name: made-up", "name: [", "made-up.yaml: expected YAML"),
        ("runtime: unknown", "runtime: none, modules_run: [a;b]", "modules: expected plain words"),
        ("runtime: unknown", "runtime: none, gpu_flag: $(id)", "flags: expected plain words"),
        ("{ranks}", "{rank}", "launch.template: expected {cores}, {cpu_list}, "),
        ("{ranks}", "{ranks", "launch.template: expected {cores}, {cpu_list}, "),
        (
            "runtime: unknown",
            "runtime: none, modules_build: [x], injections: [{name: mpi, why: w, modules: [x]}]",
            "modules_build: expected none of the modules of injections, got 'x'",
        ),
        ("mpirun,", "mpirun, gpu_select: mask_wrapper,", "launch.rank_env: expected local_rank"),
    ],
)
def test_faulty_site_file_says_where(made_up: Path, old: str, new: str, message: str) -> None:
    made_up.write_text(MADE_UP.replace(old, new, 1))
    with pytest.raises(DeployError) as caught:
        load_site(str(made_up))
    assert message in str(caught.value)


def test_explain_tells_value_reason_source_and_date() -> None:
    text = "\n".join(explain(load_site("frontier").site, "FI_MR_CACHE_MONITOR"))
    assert "value kdreg2" in text
    assert "memhooks can deadlock" in text
    assert "pytorch_frontier.html, 2026-07-07, documented" in text
    assert list(explain(load_site("frontier").site, "node.cores")) == [
        "node.cores: 64",
        "    https://docs.olcf.ornl.gov/systems/frontier_user_guide.html, 2026-07-22, documented",
    ]


def test_templates_hold_no_code_of_one_machine() -> None:
    names = "|".join(site_names())
    found = subprocess.run(
        ["grep", "-riwE", names.replace("|local", ""), str(asset_dir("jobs")), "--include=*.j2"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert found.stdout == ""
