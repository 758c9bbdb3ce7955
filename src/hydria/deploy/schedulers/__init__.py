"""Schedulers: a class, a template and a line each."""

from hydria.core.registry import Registry
from hydria.deploy.schedulers.base import Scheduler

SCHEDULERS = Registry(
    "scheduler",
    {
        "local": "hydria.deploy.schedulers.local:Local",
        "slurm": "hydria.deploy.schedulers.slurm:Slurm",
        "flux": "hydria.deploy.schedulers.flux:Flux",
        "pbspro": "hydria.deploy.schedulers.pbs:Pbs",
    },
)


def scheduler_of(kind: str) -> Scheduler:
    """The scheduler that a site file calls `kind`."""
    scheduler: Scheduler = SCHEDULERS.load(kind)()
    return scheduler


__all__ = ["SCHEDULERS", "Scheduler", "scheduler_of"]
