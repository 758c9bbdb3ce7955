"""Sweeps, the page of a plan, and what a job costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hydria.config.site import Charge
from hydria.core.errors import DeployError
from hydria.deploy.cost import costs
from hydria.deploy.plan_page import page
from hydria.deploy.sweep import read_sweep
from tests.support.jobs import plan_for


def test_sweep_is_every_combination() -> None:
    variants = read_sweep(["nodes=1,2", "cpus=4,8"])
    assert [variant.label for variant in variants] == [
        "nodes-1-cpus-4", "nodes-1-cpus-8", "nodes-2-cpus-4", "nodes-2-cpus-8",
    ]  # fmt: skip
    assert variants[1].counts == {"nodes": 1, "cpus": 8}


def test_sweep_over_a_config_overrides_it() -> None:
    variants = read_sweep(["NeuralNetwork.Training.seed=1,2"])
    assert [(variant.label, variant.overrides) for variant in variants] == [
        ("seed-1", ["NeuralNetwork.Training.seed=1"]),
        ("seed-2", ["NeuralNetwork.Training.seed=2"]),
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["node=1,2"], "expected one of cpus, gpus, nodes, ranks, got 'node'. Hint: did you mean"),
        (["nodes=1,x"], "expected whole numbers such as nodes=1,2,4, got 'nodes=1,x'"),
        (["nodes=2,2"], "expected different values such as nodes=1,2, got 'nodes=2,2'"),
        (["nodes"], "expected different values"),
        (["nodes=1", "nodes=2"], "expected each name once, got nodes, nodes"),
    ],
)
def test_wrong_sweep_is_told(texts: list[str], message: str) -> None:
    with pytest.raises(DeployError) as caught:
        read_sweep(texts)
    assert message in str(caught.value)


def test_cost_is_nodes_times_walltime() -> None:
    (cost,) = costs(plan_for("frontier", nodes=92, walltime="6h", account="a"))
    assert (cost.amount, cost.unit) == (552, "node-hours")
    assert "formula" in cost.reason


def test_own_unit_of_the_facility_is_told_beside_node_hours() -> None:
    plan = plan_for("frontier", nodes=2, walltime="2h", account="a")
    charge = Charge(unit="GPU-hours", per_gpu_hour=0.5)
    told = costs(replace(plan, site=plan.site.model_copy(update={"charging": (charge,)})))
    assert [(cost.amount, cost.unit) for cost in told] == [(4, "node-hours"), (16, "GPU-hours")]


def test_a_machine_of_your_own_costs_nothing() -> None:
    assert costs(plan_for("local")) == ()


def test_page_tells_every_decision_with_its_source() -> None:
    plan = plan_for("frontier", nodes=2, account="abc123")
    text = "\n".join(page(plan))
    for decision in plan.decisions().values():
        assert decision.reason in text
    for entry in plan.env:
        assert entry.name in text
        assert f"{entry.why} [{entry.source}]" in text
    assert "cost at most" in text
    assert "0 -> 1-7 -> 4" in text
    assert "--network=disable_rdzv_get" in text


@pytest.mark.parametrize(("queue", "amount"), [("standard-g", 16), ("small-g", 4)])
def test_lumi_charges_for_nodes_in_one_queue_and_for_gpus_in_others(
    queue: str, amount: float
) -> None:
    asked = {"standard-g": {"nodes": 2}, "small-g": {"gpus": 4}}[queue]
    plan = plan_for("lumi", queue=queue, walltime="2h", account="project_1", **asked)
    charged = costs(plan)[-1]
    assert (charged.amount, charged.unit) == (amount, "GPU-hours")
