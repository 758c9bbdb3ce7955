"""Ranks held to real plans: as planned, and with one thing changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.plan import as_json
from hydria.doctor.checks import judge
from hydria.doctor.facts import Binding, RankFacts
from hydria.doctor.finding import Finding, Seen
from hydria.doctor.page import page
from hydria.doctor.plan import PlannedJob, read_plan
from tests.support.doctor import rank_facts
from tests.support.jobs import plan_for

NODES, PER_NODE = 2, 8
# OLCF's table: local rank → first core of its seven, GPU.
FRONTIER = [(1, 4), (9, 5), (17, 2), (25, 3), (33, 6), (41, 7), (49, 0), (57, 1)]


def frontier_rank(rank: int, **changes: Any) -> RankFacts:
    """What a rank of Frontier sees under `srun -c7 --gpu-bind=closest`."""
    first, gpu = FRONTIER[rank % PER_NODE]
    cores = tuple(range(first, first + 7))
    binding = Binding(hardware_threads=cores, cores=cores, omp_threads=5, workers=2)
    facts = rank_facts(rank, NODES * PER_NODE, PER_NODE, binding=binding)
    environment = {entry.name: entry.value for entry in PLAN.environment if "$" not in entry.value}
    devices = facts.devices.model_copy(update={"kind": "rocm", "number": gpu})
    return facts.model_copy(update={"devices": devices, "environment": environment, **changes})


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    file.write_text(PLAN_TEXT)
    return file


PLAN_TEXT = json.dumps(as_json(plan_for("frontier", nodes=NODES, account="abc123"), ()))
PLAN = PlannedJob.model_validate_json(PLAN_TEXT)


def seen(**changed: RankFacts) -> Seen:
    """The job as planned; `rank3=…` replaces what rank 3 saw."""
    ranks = [changed.get(f"rank{rank}", frontier_rank(rank)) for rank in range(NODES * PER_NODE)]
    return Seen(ranks=tuple(ranks), world_size=len(ranks), plan=PLAN)


def judged(ranks: Seen) -> list[Finding]:
    return [finding for finding in judge(ranks) if finding.check == "plan"]


def test_documented_map_of_frontier_is_what_is_planned(plan_file: Path) -> None:
    assert read_plan(plan_file) == PLAN
    (told,) = judged(seen())
    assert (told.verdict, told.seen) == ("ok", "cores and devices are those planned for frontier")


def test_swapped_gpus_are_told_rank_by_rank() -> None:
    three, four = frontier_rank(3), frontier_rank(4)
    swapped = seen(
        rank3=frontier_rank(3, devices=four.devices), rank4=frontier_rank(4, devices=three.devices)
    )
    (told,) = judged(swapped)
    assert (told.verdict, told.ranks) == ("fault", (3, 4))
    text = page(swapped, judge(swapped))
    assert text.splitlines()[-8:] == [
        "--- planned for frontier",
        "+++ found",
        "- rank 3 on n0: cores 25-31, GPU 3",
        "+ rank 3 on n0: cores 25-31, GPU 6",
        "- rank 4 on n0: cores 33-39, GPU 6",
        "+ rank 4 on n0: cores 33-39, GPU 3",
        "",
        "verdict: 1 fault",
    ]


def test_other_cores_are_a_fault() -> None:
    binding = frontier_rank(9).binding.model_copy(
        update={"hardware_threads": tuple(range(8, 16)), "cores": tuple(range(8, 16))}
    )
    (told,) = judged(seen(rank9=frontier_rank(9, binding=binding)))
    assert (told.verdict, told.ranks) == ("fault", (9,))


def test_both_threads_of_the_planned_cores_are_as_planned() -> None:
    binding = frontier_rank(0).binding
    threads = (*binding.cores, *(core + 64 for core in binding.cores))
    both = binding.model_copy(update={"hardware_threads": threads})
    (told,) = judged(seen(rank0=frontier_rank(0, binding=both)))
    assert told.verdict == "ok"


def test_unknown_device_is_not_the_planned_one_unless_the_cpu_was_asked_for() -> None:
    none = frontier_rank(0).devices.model_copy(update={"number": None})
    assert [f.verdict for f in judged(seen(rank0=frontier_rank(0, devices=none)))] == ["fault"]
    forced = none.model_copy(update={"forced_cpu": True})
    on_cpu = seen(rank0=frontier_rank(0, devices=forced))
    assert [f.verdict for f in judged(on_cpu)] == ["ok"]
    assert any(f.seen.startswith("HYDRIA_DEVICE=cpu") for f in judge(on_cpu))


def test_fewer_ranks_than_planned_are_a_fault() -> None:
    ranks = tuple(rank_facts(rank, 8, 8) for rank in range(8))
    told = judged(Seen(ranks=ranks, world_size=8, plan=PLAN))
    assert [finding.seen for finding in told][:2] == [
        "planned 16 ranks, found 8", "planned 2 nodes, found 1",
    ]  # fmt: skip


def test_variable_that_did_not_arrive_is_a_warning() -> None:
    environment = frontier_rank(5).environment
    name = next(iter(environment))
    lost = {key: value for key, value in environment.items() if key != name}
    (told,) = judged(seen(rank5=frontier_rank(5, environment=lost)))
    assert (told.verdict, told.ranks) == ("warning", (5,))
    assert told.seen == f"{name}: planned {environment[name]!r}, found None"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a plan as `hydria job --json` prints it"),
        ("{}", "placement: Field required"),
        ('{"site": "x", "ranks": "many"}', "ranks: Input should be a valid integer"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(DeployError) as caught:
        read_plan(tmp_path / "plan.json")
    assert message in str(caught.value)
    with pytest.raises(DeployError, match="cannot be read: No such file"):
        read_plan(tmp_path / "none.json")
