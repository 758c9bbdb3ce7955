"""`--assume`: only what is unknown, and never without a trace."""

from __future__ import annotations

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.plan import as_json
from hydria.deploy.render import render
from hydria.deploy.sites import load_site
from tests.support.jobs import plan_for


def test_assumed_fact_unblocks_what_needs_it_and_stands_in_the_script() -> None:
    plan = plan_for("juwels-booster", assume=("storage.scratch=/p/scratch/x",), account="a")
    assert plan.run_dir.value.text == "/p/scratch/x/hydria/runs/small"
    assert "ASSUMED   storage.scratch = '/p/scratch/x'" in render(plan).text
    assert as_json(plan, ())["assumed"] == {"storage.scratch": "/p/scratch/x"}


def test_unknown_end_of_a_range_can_be_assumed() -> None:
    plan = plan_for("leonardo", assume=("queues[0].nodes[1]=64",), account="a", nodes=64)
    assert plan.queue.value == "boost_usr_prod"
    assert plan.queue_row is not None


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("storage.scratch", "--assume: expected path=value, got 'storage.scratch'"),
        ("storage.scrach=/x", "--assume storage.scrach: juwels-booster has no such fact. Hint: "
                              "hydria site check juwels-booster"),
        ("node.cores=96", "--assume node.cores: expected a fact that is unknown on juwels-booster, "
                          "got one that is 48"),
        ("queues[7].nodes[1]=4", "has no such fact"),
        ("storage.scratch=[", "expected a value, got '['"),
        ("storage.scratch=$(id)", "storage.scratch: expected plain characters"),
        ("storage.purge_days=soon", "storage.purge_days: input should be a valid integer"),
        ("=x", "--assume: expected path=value, got the path ''"),
    ],
)  # fmt: skip
def test_what_cannot_be_assumed_is_told(pair: str, message: str) -> None:
    with pytest.raises(DeployError) as caught:
        load_site("juwels-booster", (pair,))
    assert message in str(caught.value)
