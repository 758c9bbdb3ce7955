"""Workloads by name."""

from __future__ import annotations

from hydria.config.run import RunConfig
from hydria.core.registry import Registry
from hydria.workloads.base import Workload

WORKLOADS = Registry(
    "workload",
    {
        "property": "hydria.workloads.property:PropertyWorkload",
        "potential": "hydria.workloads.potential:PotentialWorkload",
    },
)


def load_workload(name: str) -> Workload:
    """The workload called `name`; HydriaError names the nearest one if there is none."""
    workload: Workload = WORKLOADS.load(name)()
    return workload


def workload_of(config: RunConfig) -> Workload:
    """The workload of a config; HydraGNN's files ask for a potential by a switch."""
    return load_workload("potential" if config.is_potential else config.workload)
