"""What a job costs at most: node-hours, and the unit in which the facility charges."""

from __future__ import annotations

from dataclasses import dataclass

from hydria.config.conditions import holds
from hydria.deploy.plan import Plan


@dataclass(frozen=True)
class Cost:
    """An amount for the whole walltime; a job that ends earlier costs less."""

    amount: float
    unit: str
    reason: str
    source: str


def costs(plan: Plan) -> tuple[Cost, ...]:
    """Node-hours, then the facility's own unit where it is known; nothing without a scheduler."""
    if plan.site.scheduler.kind == "local":
        return ()
    hours = plan.walltime_s.value / 3600
    nodes, gpus = plan.nodes.value, plan.gpus_per_node.value
    reason = f"{nodes} x {hours:g} h, if the whole walltime is used"
    own = Cost(nodes * hours, "node-hours", reason, "plan")
    facts = plan.conditions()
    charge = next((row for row in plan.site.charging if holds(row.when, facts)), None)
    if charge is None:
        return (own,)
    rate = charge.per_node_hour + charge.per_gpu_hour * gpus
    how = f"{rate:g} for each node-hour" + (f"; {charge.note}" if charge.note else "")
    charged = Cost(nodes * hours * rate, charge.unit, how, plan.site.cited(charge))
    return (charged,) if charge.unit == own.unit else (own, charged)
