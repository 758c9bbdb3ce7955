"""Multi-headed regression of graph and node properties of structures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hydria.config.run import RunConfig
from hydria.data.prepare import open_prepared, prepare
from hydria.runtime import collectives
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.train.loop import Trainer
from hydria.workloads.property.results import Collector, score, write_predictions
from hydria.workloads.property.task import PropertyTask


class PropertyWorkload:
    """Graph and node properties, several heads at once."""

    batch_size_means = "graphs per rank and step"

    def prepare(
        self, config: RunConfig, data_root: Path, progress: Callable[[str, int, int], None]
    ) -> None:
        """Make the graph store when it is missing."""
        prepare(config, data_root, progress=progress)

    def task(
        self, config: RunConfig, data_root: Path, world: World, environment: Environment
    ) -> PropertyTask:
        """Open the store and build the model."""
        return PropertyTask(config, open_prepared(config, data_root), world, environment)

    def documents(self, task: PropertyTask) -> Mapping[str, Any]:
        """The model's description and the facts measured on the data."""
        return {
            "spec.json": task.spec.model_dump(mode="json"),
            "summary.json": task.prepared.summary.model_dump(mode="json"),
        }

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

    def test(self, task: PropertyTask, trainer: Trainer, run_dir: Path) -> dict[str, Any]:
        """Errors and predictions on the test set, in the run folder."""
        return self.evaluate(task, trainer, "test", run_dir / "predictions" / "test.parquet")
