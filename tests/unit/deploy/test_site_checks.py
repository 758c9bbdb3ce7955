"""Checks that need more machines than one: queues that route, masks, file systems, injections."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hydria.config.site import Site
from hydria.deploy.checks import Finding, judge
from hydria.deploy.checks.directives import peers_visible
from hydria.deploy.checks.facts import injections_agree
from hydria.deploy.checks.script import staging_is_tested
from hydria.deploy.plan import Plan
from hydria.deploy.render import Script, render
from hydria.deploy.task import make_task
from tests.support.jobs import findings_for, plan_for

MINE = {"account": "abc123"}
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("polaris", MINE | {"nodes": 10, "walltime": "24h"}, 2,
     "polaris 'prod' would route 10 nodes/24:00:00 nowhere; PBS can drop it without an error. "
     "Allowed: ≤03:00:00"),
    ("polaris", MINE | {"nodes": 10, "walltime": "24h", "queue": "prod"}, 2,
     "≤10 nodes may use 'preemptable' up to 72:00:00"),
    ("polaris", MINE | {"nodes": 10, "queue": "small"}, 2,
     "'small' is an execution queue of polaris, which refuses jobs. Hint: --queue prod hands them"),
    ("aurora", MINE | {"nodes": 32, "walltime": "2h"}, 1,
     "nodes=32 for 02:00:00 fits no queue on aurora. Longest allowed at 32 nodes: "
     "debug-scaling 01:00:00; 02:00:00 needs ≥256 nodes"),
    ("aurora", MINE | {"walltime": "4m"}, 3, "expected at least 00:05:00 on aurora, got 00:04:00"),
    ("andes", MINE | {"queue": "gpu"}, 1, "no job of ours in 'gpu': its GPUs are K80 (sm_37)"),
    ("vista", {"queue": "gg"}, 1, "no job of ours in 'gg': its nodes are others than those of gh"),
    ("leonardo", MINE | {"nodes": 2}, 21,
     "whether a queue of leonardo takes nodes=2 for 01:00:00 is unknown (queues[0].nodes[1]). "
     "Hint: --assume 'queues[0].nodes[1]=…' renders anyway"),
    ("aurora", MINE | {"cpus": 60}, 6,
     "aurora binds ranks to 4 cores each, got 5. Hint: --cpus 48 or 96"),
    ("lumi", MINE | {"gpus": 4}, 7, "only holds for whole nodes; got 4 of 8 GPUs. Hint: --gpus 8"),
    ("lumi", MINE | {"cpus": 64}, 6, "8 ranks × 8 cores = 64 > 56 usable"),
    ("polaris", MINE | {"cpus": 16}, 8, "ranks 0 and 1 are both nearest to GPU 3"),
    ("perlmutter", MINE | {"directives": ["--gpus-per-task=1"]}, 9,
     "--gpus-per-task hides peers from NCCL on perlmutter. Hint: show each rank its GPU in a "
     "wrapper (gpu_select: mask_wrapper), or allow-task-sharing"),
    ("lumi", MINE | {"directives": ["--gpu-bind=closest"]}, 9,
     "--gpu-bind=closest hides peers from RCCL on lumi"),
    ("vista", {"directives": ["--gres=gpu:1"]}, 10,
     "vista rejects --gres. Hint: Rank and GPU are 1:1, drop it"),
    ("vista", {"directives": ["--export=ALL"]}, 10, "vista rejects --export"),
    ("aurora", MINE | {"directives": ["-V"]}, 10, "aurora rejects -V"),
    ("aws-parallelcluster", {"gpus": 8, "run_dir": "/r", "data": "/d", "memory": "64G"}, 11,
     "expected no memory request on aws-parallelcluster, got 64G"),
    ("lumi", MINE | {"directives": ["--mem=64G"]}, 11,
     "at most one of --mem, --mem-per-cpu, --mem-per-gpu, got --mem-per-gpu=60G and --mem=64G"),
    ("polaris", MINE | {"filesystems": "home:grand"}, 12,
     "--filesystems: expected file systems of eagle, home, got 'grand' (grand is gone; old"),
    ("frontier", MINE | {"filesystems": "home"}, 12, "expected no file systems on frontier"),
    ("perlmutter", MINE | {"constraint": "cpu"}, 12,
     "perlmutter requires --constraint=gpu. Hint: without it the job goes to the CPU variant"),
    ("aurora", MINE | {"constraint": "gpu"}, 12,
     "--constraint: expected none on aurora, got 'gpu'. Hint: its nodes are all alike"),
    ("polaris", {}, 12, "--account: the folders of a job on polaris lie below the project's"),
    ("frontier", MINE | {"directives": ["--comment=$HOME"]}, 14, "variables are not expanded"),
    ("vista", {"image": "/x/hydria-x86_64.sif"}, 15,
     "the name says x86_64; vista has aarch64. Hint: build the image on a machine with aarch64"),
    ("aurora", MINE | {"nodes": 256, "image": "/x.sif"}, 17,
     "container.fabric is unverified on aurora: nodes may not reach each other"),
    ("polaris", MINE | {"env": {"NCCL_NET": "AWS Libfabric"}}, 18, "a job of one node has none"),
    ("generic-slurm", {"gpus": 2}, 21,
     "node.cores is unknown on generic-slurm, and the launcher is told them. Hint: --cpus N"),
    ("aws-parallelcluster", {"run_dir": "/r", "data": "/d"}, 21,
     "--gpus: node.gpus.count is unknown on aws-parallelcluster. Hint: --gpus N, or --assume"),
    ("tuolumne", MINE | {"image": "/x.sif"}, 21, "container.runtime is unknown on tuolumne"),
    ("lumi", MINE | {"image": "/x.sif", "inject": ["mpi", "ai"]}, 23,
     "injections 'ai' and 'mpi' exclude each other on lumi. Hint: ask for one of them"),
    ("perlmutter", MINE | {"image": "x:1", "inject": ["mpich", "cuda-mpi"]}, 23,
     "injections 'mpich' and 'cuda-mpi' exclude each other"),
    ("perlmutter", MINE | {"image": "x:1", "inject": ["mpi"]}, 23,
     "perlmutter has no injection 'mpi'. Hint: it has cfs, cuda-mpi, home, host, mpich"),
    ("frontier", MINE | {"directives": ["--time=99:00:00"]}, 28,
     "--time is planned already, got '--time=99:00:00' too. Hint: its own option changes it"),
    ("andes", MINE | {"directives": ["--gres=gpu:1"]}, 28, "--gres is planned already"),
    ("polaris", MINE | {"directives": ["-l walltime=1:00:00"]}, 28, "-l walltime is planned"),
    ("tuolumne", MINE | {"directives": ["--requires=x"]}, 28, "--requires is planned already"),
]  # fmt: skip
WARNED: list[tuple[str, dict[str, Any], int, str]] = [
    ("frontier", MINE | {"queue": "extended"}, 5,
     "queue extended: runs 1 job of yours at a time, 2 in all are accepted"),
    ("frontier", MINE | {"image": "/x/hydria-cuda.sif"}, 15,
     "the name says cuda; frontier needs rocm. Hint: hydria image build rocm"),
    ("tuolumne", MINE | {"nodes": 2}, 18, "RCCL may fall back to TCP"),
    ("lumi", MINE, 20, "facts that sources contradict: 4"),
]  # fmt: skip


def said(findings: list[Finding], number: int, level: str) -> list[str]:
    return [str(each) for each in findings if (each.number, each.level) == (number, level)]


@pytest.mark.parametrize(("site", "flags", "number", "message"), REFUSED)
def test_check_refuses_and_says_what_would_work(
    site: str, flags: dict[str, Any], number: int, message: str
) -> None:
    found = findings_for(site, **flags)
    assert any(message in text for text in said(found, number, "E")), list(map(str, found))


@pytest.mark.parametrize(("site", "flags", "number", "message"), WARNED)
def test_check_warns(site: str, flags: dict[str, Any], number: int, message: str) -> None:
    found = findings_for(site, **flags)
    assert any(message in text for text in said(found, number, "W")), list(map(str, found))
    assert said(found, number, "E") == []


def with_launch(plan: Plan, **changes: object) -> Plan:
    launch = plan.site.launch.model_copy(update=changes)
    site: Site = plan.site.model_copy(update={"launch": launch})
    return replace(plan, site=site)


def test_task_sharing_and_closest_keep_peers_visible() -> None:
    plan = plan_for("lumi", account="a")
    bound = "srun -n8 --gpu-bind=map:4,5,2,3,6,7,0,1"
    shared = with_launch(plan, gpu_select="scheduler_map_shared")
    assert list(peers_visible(replace(shared, launch=bound)))
    sharing = f"{bound} --gres-flags=allow-task-sharing"
    assert not list(peers_visible(replace(shared, launch=sharing)))
    assert not list(peers_visible(plan_for("frontier")))


def test_injections_are_asked_for_by_name() -> None:
    usual = plan_for("perlmutter", account="a", image="x:1")
    more = plan_for("perlmutter", account="a", image="x:1", inject=["cuda-mpi"])
    assert usual.injections == ("host", "nccl")
    assert more.injections == ("nccl", "cuda-mpi")
    assert not list(injections_agree(more))


def test_injection_that_is_asked_for_replaces_what_it_cannot_be_beside() -> None:
    usual = plan_for("lumi", account="a", image="/x.sif")
    other = plan_for("lumi", account="a", image="/x.sif", inject=["mpi"])
    assert (usual.injections, other.injections) == (("aif",), ("mpi",))
    assert [module.name for module in other.modules] == ["singularity-bindings"]
    by_hand = render(plan_for("frontier", account="a", image="/x.sif", inject=["by-hand"])).text
    assert "export APPTAINER_CONTAINLIBS=libcxi.so.1,libjson-c.so.5" in by_hand
    assert "--bind /opt/cray" in by_hand
    assert "apptainer-enable-mpi" not in by_hand
    gtl = '"${CRAY_MPICH_ROOTDIR:?}/gtl/lib/libmpi_gtl_hsa.so.0:"'
    assert f"export APPTAINERENV_LD_PRELOAD={gtl}" in by_hand


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('sbcast -pf "$image" "$staged/image"', True),
        ("on_every_node cp -L a b", True),
        ('sbcast -pf "$image" "$staged/image" || die broken', False),
        ("if run_step sbcast -pf a b; then", False),
        ("echo cp a b", False),
    ],
)
def test_copy_that_nobody_tests_is_pointed_out(line: str, found: bool) -> None:
    findings = list(staging_is_tested(Script(f"{line}\n", "sh")))
    assert [finding.number for finding in findings] == ([25] if found else [])


def test_script_that_needs_kernels_which_xpu_lacks_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import torch\nfrom torch_scatter import scatter\nimport torch_cluster\n")
    task = make_task(None, str(script), ())
    found = judge(plan_for("aurora", task=task, account="a"))
    assert said(found, 15, "E") == [
        "--script: torch_cluster, torch_scatter: no kernels for the GPUs of aurora. "
        "Hint: torch_geometric works without it"
    ]
    assert said(judge(plan_for("polaris", task=task, account="a")), 15, "E") == []


def test_ranks_without_samples_are_pointed_out(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for index in range(100):
        (raw / f"{index}.txt").touch()
    batch = "NeuralNetwork.Training.batch_size=8"
    path = f"Dataset.path.total={raw}"
    few = judge(plan_for("frontier", path, batch, account="a"))
    many = judge(plan_for("frontier", path, batch, account="a", nodes=2))
    assert said(few, 26, "W") == []
    assert said(many, 26, "W") == [
        "ranks: 16 ranks × batches of 8 = 128 > 70 samples to train on: one step per epoch, and "
        "ranks without work. Hint: fewer nodes, or NeuralNetwork.Training.batch_size=4"
    ]


def test_old_facts_count_from_the_day_of_the_job() -> None:
    plan = plan_for("frontier")
    assert said(judge(plan, date(2026, 11, 20)), 20, "W") == [
        "site frontier: facts that sources contradict: 3. Hint: hydria site check frontier lists "
        "them"
    ]
    assert "facts older than 180 days" in said(judge(plan, date(2027, 11, 20)), 20, "W")[0]
