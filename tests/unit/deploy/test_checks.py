"""Every check: what it refuses, and the message that says what would work."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from hydria.deploy.checks import CHECKS, judge
from hydria.deploy.checks.placement import nearest_gpus, one_memory_domain
from hydria.deploy.checks.script import bash_accepts, says_its_plan
from hydria.deploy.plan import Decision
from hydria.deploy.render import Script, render
from tests.support.jobs import errors_for, findings_for, plan_for

REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("frontier", {"nodes": 16, "walltime": "12h"}, 1,
     "nodes=16 for 12:00:00 fits no queue on frontier. Longest allowed at 16 nodes: "
     "batch 02:00:00; 12:00:00 needs ≥184 nodes; ≤64 nodes may use 'extended' up to 24:00:00"),
    ("frontier", {"nodes": 9473}, 1, "nodes=9473 for 01:00:00 fits no queue on frontier. batch: "),
    ("frontier", {"queue": "debgu"}, 1,
     "--queue: expected one of batch, debug, extended, got 'debgu'. Hint: did you mean 'debug'?"),
    ("frontier", {"queue": "debug", "nodes": 5}, 1,
     "nodes=5 for 01:00:00 does not fit queue 'debug' of frontier. debug: 1-4 nodes, "),
    ("frontier", {"walltime": "30s"}, 3, "expected at least 00:01:00 on frontier, got 00:00:30"),
    ("frontier", {"walltime": "5m"}, 27, "more than the 300 s that the checkpoint"),
    ("frontier", {"cpus": 64}, 6,
     "8 ranks × 8 cores = 64 > 56 usable (cores 0,8,16,24,32,40,48,56 are reserved on frontier). "
     "Hint: use 7 cores per rank, 56 per node"),
    ("frontier", {"cpus": 4}, 6, "--cpus: expected at least one core for each of 8 ranks"),
    ("frontier", {"gpus": 2, "cpus": 56}, 7, "rank 0 gets cores 1-7,9-15,17-23,25-31, spans NUMA"),
    ("frontier", {"gpus": 9}, 8,
     "--gpus: expected at most 8 GPUs per node on frontier, got 9. Hint: --nodes 2 --gpus 8"),
    ("frontier", {"mem": "64G"}, 11,
     "--mem: expected no memory request on frontier, got 64G: a node has 512 GB"),
    ("katana", {"mem": "300G"}, 11, "--mem: expected at most 248G per node on katana"),
    ("katana", {"gpus": 3}, 8, "--gpus: expected at most 2 GPUs per node on katana"),
    ("katana", {"nodes": 2}, 21,
     "--nodes: expected at most 1 node on katana, got 2: how ranks are started on several nodes "
     "there is not sourced"),
    ("katana", {"walltime": "101h"}, 1, "Longest allowed at 1 node: default 100:00:00"),
    ("local", {"nodes": 2}, 21, "expected at most 1 node on local, got 2: it is one machine"),
    ("frontier", {"env": {"NCCL_NET": "OFI"}}, 18, "'OFI' needs a fabric, and a job of one node"),
    ("frontier", {"env": {"FI_CXI_RDZV_PROTO": "alt_read"}}, 18,
     "alt_read needs the directive --network=disable_rdzv_get"),
    ("frontier", {"env": {"MIOPEN_USER_DB": "/tmp/x"}}, 19,
     "nothing reads 'MIOPEN_USER_DB'. Hint: did you mean 'MIOPEN_USER_DB_PATH'?"),
    ("local", {"env": {"HYDRAGNN_NUM_WORKER": "1"}}, 19, "did you mean 'HYDRAGNN_NUM_WORKERS'?"),
    ("local", {"env": {"A-B": "1"}}, 19, "expected a variable's name, got 'A-B'"),
    ("local", {"env": {"RANK": "1"}}, 19, "RANK is set by the script and the launcher"),
    ("frontier", {"env": {"OMP_NUM_THREADS": "6", "HYDRAGNN_NUM_WORKERS": "4"}}, 26,
     "7 cores per rank: 6 threads + 4 workers. Hint: at most 7 together"),
    ("local", {"env": {"FOO": "a\nb"}}, 28, "--env FOO: expected one line of printable text"),
    ("frontier", {"account": "abc 123"}, 28, "--account: expected letters, digits and a few signs"),
    ("frontier", {"account": "abc'"}, 28, "--account: expected letters, digits and a few signs"),
    ("frontier", {"constraint": "nvme;x"}, 28, "--constraint: expected letters, digits"),
    ("katana", {"mail": "me at home"}, 28, "--mail: expected letters, digits"),
    ("local", {"run_dir": "~/x"}, 28, "--run-dir: expected a path without ~ and $"),
    ("katana", {"image": "a.sif", "data": "/a:b"}, 28, "--data: expected a path without , and :"),
    ("frontier", {"account": "YOUR_PROJECT"}, 29, "'YOUR_PROJECT' looks like a placeholder"),
]  # fmt: skip


def flags_of(given: dict[str, Any]) -> dict[str, Any]:
    return {{"mem": "memory"}.get(key, key): value for key, value in given.items()}


@pytest.mark.parametrize(("site", "flags", "number", "message"), REFUSED)
def test_check_refuses_and_says_what_would_work(
    site: str, flags: dict[str, Any], number: int, message: str
) -> None:
    errors = [finding for finding in findings_for(site, **flags_of(flags)) if finding.level == "E"]
    assert number in {finding.number for finding in errors}
    assert any(message in str(finding) for finding in errors), [str(each) for each in errors]


@pytest.mark.parametrize(
    ("nodes", "walltime", "fits"),
    [
        (1, "2h", True), (91, "2h", True), (91, "02:00:01", False),
        (92, "6h", True), (183, "6h", True), (183, "06:00:01", False),
        (184, "12h", True), (1881, "12h", True), (9472, "12h", True), (9472, "12:00:01", False),
        (9473, "1h", False),
    ],
)  # fmt: skip
def test_frontier_limits_are_those_of_the_guide(nodes: int, walltime: str, fits: bool) -> None:
    assert (errors_for("frontier", nodes=nodes, walltime=walltime) == []) is fits


@pytest.mark.parametrize(
    ("site", "flags", "number", "message"),
    [
        ("frontier", {"queue": "debug"}, 4, "queue debug: is not for production"),
        ("frontier", {"gpus": 4}, 8, "4 of the 8 GPUs of a node work"),
        ("frontier", {"cpus": 48}, 7, "spans 2 L3 regions"),
        ("katana", {"gpus": 2, "cpus": 2, "mem": "8gb"}, 26, "1 core per GPU"),
        ("frontier", {"constraint": "nvme"}, 24, "asks for /mnt/bb/$USER, and this job keeps"),
        ("frontier", {"env": {"NCCL_CROSS_NIC": "0"}, "nodes": 2}, 19, "'0' replaces '1' of site"),
        ("local", {"env": {"NCCL_P2P_DISABLE": "1"}}, 19, "through host memory"),
        ("katana", {}, 20, "facts older than 180 days"),
    ],
)
def test_check_warns(site: str, flags: dict[str, Any], number: int, message: str) -> None:
    found = findings_for(site, **flags_of(flags))
    assert any(
        each.number == number and each.level == "W" and message in str(each) for each in found
    ), [str(each) for each in found]


@pytest.mark.parametrize("site", ["local", "frontier", "katana"])
def test_plain_request_passes_every_check(site: str) -> None:
    findings = judge(plan_for(site), today=date(2026, 1, 1))
    assert [str(finding) for finding in findings if finding.number != 20] == []


def test_swapped_gpus_are_named() -> None:
    plan = plan_for("frontier")
    places = list(plan.places)
    places[0], places[1] = replace(places[0], gpu=5), replace(places[1], gpu=4)
    messages = [str(finding) for finding in nearest_gpus(replace(plan, places=tuple(places)))]
    assert messages[0].startswith(
        "GPUs: rank 0 on cores 1-7 uses GPU 5; nearest is GPU 4. Hint: order 4,5,2,3,6,7,0,1"
    )


def test_ranks_that_share_their_nearest_gpu_are_named() -> None:
    plan = plan_for("frontier", cpus=16)
    assert any("both nearest to GPU 4" in str(finding) for finding in nearest_gpus(plan))


def test_rank_across_memory_domains_is_refused_once() -> None:
    findings = list(one_memory_domain(plan_for("frontier", gpus=2, cpus=56)))
    assert [finding.number for finding in findings] == [7]


def test_script_that_says_something_else_is_refused() -> None:
    plan = plan_for("frontier", nodes=2)
    script = render(plan)
    assert list(says_its_plan(plan, script)) == []
    other = replace(plan, nodes=Decision(3, "", ""))
    assert [finding.number for finding in says_its_plan(other, script)]


def test_script_that_is_no_bash_is_refused() -> None:
    assert [finding.number for finding in bash_accepts(Script("if true; then\n", "sh"))] == [30]


def test_checks_have_names_of_their_own() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
