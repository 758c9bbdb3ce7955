"""Data, model and loss of property regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hydria.config.run import RunConfig
from hydria.data.prepare import PreparedData
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.train.losses import build_loss
from hydria.train.task import Ids
from hydria.workloads.graphs import GraphTask


class PropertyTask(GraphTask):
    """One loss term per head; see `hydria.train.task.Task`.

    Attributes:
        denormalise: whether results are in the units of the data.
    """

    def __init__(
        self, config: RunConfig, prepared: PreparedData, world: World, environment: Environment
    ) -> None:
        super().__init__(config, prepared, world, environment)
        self.denormalise = config.neural_network.variables_of_interest.denormalize_output
        self.terms = tuple(head.name for head in self.spec.heads)
        self.weights = torch.tensor([head.weight for head in self.spec.heads])
        self._loss = build_loss(config.neural_network.training)

    def counts(self, ids: Ids) -> Tensor:
        """(T,) numbers in the targets of each head."""
        rows = {"graph": len(ids), "node": int(self.nodes[ids].sum())}
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
