"""What workloads on graphs have in common: prepared data, the order of samples, the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hydria.config.run import RunConfig
from hydria.config.spec import resolve
from hydria.core.errors import ConfigError, LaunchError, Problem
from hydria.data.loaders import BatchLoader, Part
from hydria.data.prepare import PreparedData, prepare
from hydria.data.samplers import GlobalBatches
from hydria.models import build_model
from hydria.runtime import collectives
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from hydria.train.loop import Trainer
from hydria.train.progress import seed_everything
from hydria.train.step import DTYPES
from hydria.train.task import Ids, Stage


class GraphTask:
    """Order, batches and model of a task; losses are the business of those that inherit.

    Attributes:
        spec: description of the model.
        store: all graphs.
        nodes: (G,) atoms of each graph.
    """

    stages: Sequence[Stage] = ()

    def __init__(
        self, config: RunConfig, prepared: PreparedData, world: World, environment: Environment
    ) -> None:
        training = config.neural_network.training
        self.prepared, self.store = prepared, prepared.store
        self.spec = resolve(config, prepared.summary)
        self.facts = self.spec.facts
        self.synchronised = config.neural_network.architecture.sync_batch_norm
        num_train = len(prepared.splits["train"])
        # all ranks would refuse alike; one of them tells
        self.global_batch_size = collectives.first_rank_does(
            lambda: global_batch_size(config, num_train, world)
        )
        self._order = GlobalBatches(
            prepared.splits["train"], self.global_batch_size, seed=training.seed
        )
        self.nodes = self.store.sizes()[0]
        self._loader = _loader(prepared, world, environment, DTYPES[training.precision])
        seed_everything(training.seed)
        self.model = build_model(self.spec)
        self.model.recompute = training.conv_checkpointing

    def order(self, epoch: int) -> list[Ids]:
        """Global batches of the training set in this epoch."""
        return self._order.epoch(epoch)

    def fixed(self, split: str) -> list[Ids]:
        """Global batches of a split in its own order."""
        ids = self.prepared.splits[split]
        return GlobalBatches(ids, self.global_batch_size, shuffle=False).epoch(0)

    def batches(self, global_batches: Sequence[Ids]) -> Iterator[Part]:
        """This rank's part of each global batch."""
        return self._loader(global_batches)


class GraphWorkload(ABC):
    """What workloads on prepared graphs have in common."""

    batch_size_means = "graphs per rank and step"

    def prepare(
        self, config: RunConfig, data_root: Path, progress: Callable[[str, int, int], None]
    ) -> None:
        """Make the graph store when it is missing."""
        prepare(config, data_root, progress=progress)

    def documents(self, task: GraphTask) -> Mapping[str, Any]:
        """The model's description and the facts measured on the data."""
        return {
            "spec.json": task.spec.model_dump(mode="json"),
            "summary.json": task.prepared.summary.model_dump(mode="json"),
        }

    @abstractmethod
    def evaluate(self, task: Any, trainer: Trainer, split: str, path: Path) -> dict[str, Any]:
        """Errors and predictions on a split; see `hydria.workloads.base.Workload`."""

    def test(self, task: GraphTask, trainer: Trainer, run_dir: Path) -> dict[str, Any]:
        """Errors and predictions on the test set, in the run folder."""
        return self.evaluate(task, trainer, "test", run_dir / "predictions" / "test.parquet")


def global_batch_size(config: RunConfig, num_train: int, world: World) -> int:
    """Graphs of a step over all ranks.

    Raises:
        LaunchError: when there are more ranks than training samples.
        ConfigError: when `global_batch_size` is smaller than the number of ranks.
    """
    training, ranks = config.neural_network.training, world.ranks
    if ranks.world_size > num_train:
        raise LaunchError(_too_many(ranks, num_train))
    size = training.global_batch_size
    if size is None:
        return training.batch_size * ranks.world_size
    if size < ranks.world_size:
        raise ConfigError(
            [
                Problem(
                    "NeuralNetwork.Training.global_batch_size",
                    f"expected at least {ranks.world_size}, one graph for each rank, got {size}",
                )
            ]
        )
    return size


def _too_many(ranks: Ranks, num_train: int) -> str:
    return (
        f"{ranks.source}: expected at most {num_train} ranks, one for each training sample, got "
        f"{ranks.world_size}. Hint: start fewer ranks or use more data"
    )


def _loader(
    prepared: PreparedData, world: World, environment: Environment, dtype: torch.dtype
) -> BatchLoader:
    # converting what already has the right type would cost a pass over every field
    stored = np.dtype(prepared.store.node["pos"].dtype)
    wanted = np.dtype(str(dtype).removeprefix("torch."))
    return BatchLoader(
        prepared.store,
        rank=world.ranks.rank,
        world_size=world.ranks.world_size,
        num_workers=environment.num_workers,
        device=world.device,
        dtype=None if stored == wanted else dtype,
    )
