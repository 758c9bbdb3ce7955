"""Data, model and loss of property regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hydria.config.run import RunConfig
from hydria.config.spec import resolve
from hydria.core.errors import ConfigError, LaunchError, Problem
from hydria.data.loaders import BatchLoader, Part
from hydria.data.prepare import PreparedData
from hydria.data.samplers import GlobalBatches
from hydria.models import build_model
from hydria.runtime import collectives
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from hydria.train.losses import build_loss
from hydria.train.progress import seed_everything
from hydria.train.step import DTYPES
from hydria.train.task import Ids


class PropertyTask:
    """One loss term per head; see `hydria.train.task.Task`.

    Attributes:
        spec: description of the model.
        store: all graphs.
        denormalise: whether results are in the units of the data.
    """

    def __init__(
        self, config: RunConfig, prepared: PreparedData, world: World, environment: Environment
    ) -> None:
        training = config.neural_network.training
        self.prepared, self.store = prepared, prepared.store
        self.spec = resolve(config, prepared.summary)
        self.facts = self.spec.model_dump(mode="json")
        self.denormalise = config.neural_network.variables_of_interest.denormalize_output
        self.synchronised = config.neural_network.architecture.sync_batch_norm
        self.terms = tuple(head.name for head in self.spec.heads)
        self.weights = torch.tensor([head.weight for head in self.spec.heads])
        num_train = len(prepared.splits["train"])
        # all ranks would refuse alike; one of them tells
        self.global_batch_size = collectives.first_rank_does(
            lambda: global_batch_size(config, num_train, world)
        )
        self._loss = build_loss(training)
        self._order = GlobalBatches(
            prepared.splits["train"], self.global_batch_size, seed=training.seed
        )
        self._nodes = self.store.sizes()[0]
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

    def counts(self, ids: Ids) -> Tensor:
        """(T,) numbers in the targets of each head."""
        rows = {"graph": len(ids), "node": int(self._nodes[ids].sum())}
        counts = [rows[head.kind] * head.dim for head in self.spec.heads]
        return torch.tensor(counts, dtype=torch.float64)

    def loss_sums(self, outputs: Sequence[Tensor], batch: Any) -> Tensor:
        """(T,) sums of the loss of each head over this part."""
        sums = [
            self._loss.local_sum(output.to(target.dtype), target)
            for output, target in zip(outputs, self._targets(batch), strict=True)
        ]
        return torch.stack(sums)

    def _targets(self, batch: Any) -> list[Tensor]:
        return [batch[f"y.{head.name}"] for head in self.spec.heads]

    def finish(self, means: Tensor) -> Tensor:
        """(T,) means → losses."""
        return self._loss.finish(means)


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
