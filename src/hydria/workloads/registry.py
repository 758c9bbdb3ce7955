"""Workloads by name."""

from __future__ import annotations

from hydria.core.registry import Registry
from hydria.workloads.base import Workload

WORKLOADS = Registry("workload", {"property": "hydria.workloads.property:PropertyWorkload"})


def load_workload(name: str) -> Workload:
    """The workload called `name`; HydriaError names the nearest one if there is none."""
    workload: Workload = WORKLOADS.load(name)()
    return workload
