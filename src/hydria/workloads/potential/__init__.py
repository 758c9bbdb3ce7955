"""Interatomic potentials: energies of structures, with forces and stress as their derivatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydria.config.run import RunConfig
from hydria.data.prepare import open_prepared
from hydria.runtime import collectives
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.train.loop import Trainer
from hydria.workloads.graphs import GraphWorkload
from hydria.workloads.potential.results import PotentialCollector, judge
from hydria.workloads.potential.task import PotentialTask
from hydria.workloads.property.results import write_predictions


class PotentialWorkload(GraphWorkload):
    """Energies, forces and stress of structures."""

    def task(
        self, config: RunConfig, data_root: Path, world: World, environment: Environment
    ) -> PotentialTask:
        """Open the store and build the potential."""
        return PotentialTask(config, open_prepared(config, data_root), world, environment)

    def evaluate(
        self, task: PotentialTask, trainer: Trainer, split: str, path: Path
    ) -> dict[str, Any]:
        """Errors and predictions on a split; see `hydria.workloads.base.Workload`."""
        collector = PotentialCollector(task.store)
        losses = trainer.evaluate(split, collector)
        tables = collector.tables()
        if collectives.rank() != 0:
            return {}
        write_predictions(path, tables, task.store)
        return {
            "heads": {table.name: judge(table, task.store) for table in tables},
            f"{split}_loss": trainer.total(losses),
        }
