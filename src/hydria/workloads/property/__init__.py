"""Multi-headed regression of graph and node properties of structures."""

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
from hydria.workloads.property.results import Collector, score, write_predictions
from hydria.workloads.property.task import PropertyTask


class PropertyWorkload(GraphWorkload):
    """Graph and node properties, several heads at once."""

    def task(
        self, config: RunConfig, data_root: Path, world: World, environment: Environment
    ) -> PropertyTask:
        """Open the store and build the model."""
        return PropertyTask(config, open_prepared(config, data_root), world, environment)

    def evaluate(
        self, task: PropertyTask, trainer: Trainer, split: str, path: Path
    ) -> dict[str, Any]:
        """Errors and predictions on a split; see `hydria.workloads.base.Workload`."""
        collector = Collector(task.spec.heads)
        losses = trainer.evaluate(split, collector)
        tables = collector.gathered(task.store.attrs, task.denormalise)
        if collectives.rank() != 0:
            return {}
        write_predictions(path, tables, task.store)
        return {
            "heads": {table.name: score(table) for table in tables},
            f"{split}_loss": trainer.total(losses),
        }
