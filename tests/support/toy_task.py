"""The smallest task the training loop can train: a regression with global batch statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hydria.runtime.collectives import global_sum, rank, world_size
from hydria.train.losses import Loss


class Rows(NamedTuple):
    """Inputs and targets of some samples."""

    inputs: Tensor
    targets: Tensor


class RowsPart(NamedTuple):
    """Rows and their ids."""

    batch: Rows
    ids: np.ndarray


class ToyModel(nn.Module):
    """Two layers with a global mean taken off in between, dropout, and an unused parameter."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)
        self.unused = nn.Parameter(torch.ones(3))
        self.dropout = dropout

    def forward(self, rows: Rows) -> Tensor:
        hidden = torch.tanh(self.first(rows.inputs))
        if self.training:
            count = global_sum(hidden.new_tensor(float(len(hidden))))
            hidden = hidden - global_sum(hidden.sum(0)) / count
        hidden = nn.functional.dropout(hidden, self.dropout, self.training)
        return self.second(hidden)


class ToyTask:
    """`hydria.train.task.Task` over random rows; both columns of the target are terms.

    Args:
        loss: of both terms.
        samples: of the training set; validation and test have a third of it.
        batch: samples of a global batch.
        dropout: to see that random numbers are restored.
        poison: epoch whose order is replaced by a sample with an infinite target.
        dtype: of inputs and targets.
    """

    terms = ("first", "second")
    synchronised = True
    stages = ()

    def __init__(
        self,
        loss: Loss,
        samples: int = 37,
        batch: int = 8,
        dropout: float = 0.0,
        poison: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        generator = torch.Generator().manual_seed(5)
        self.loss, self.samples, self.global_batch_size = loss, samples, batch
        self.inputs = torch.randn(2 * samples, 4, generator=generator)
        self.targets = torch.sin(self.inputs[:, :2]) + 0.3
        self.targets[-1] = torch.inf
        self.weights = torch.tensor([0.75, 0.25])
        self.facts = {"kind": "toy", "loss": "any"}
        self.poison, self.dtype = poison, dtype
        torch.manual_seed(1)
        self.model = ToyModel(dropout)

    def order(self, epoch: int) -> list[np.ndarray]:
        if epoch == self.poison:
            return [np.array([len(self.inputs) - 1])]
        ids = np.random.default_rng([3, epoch]).permutation(self.samples)
        return self._cut(ids)

    def fixed(self, split: str) -> list[np.ndarray]:
        return self._cut(np.arange(self.samples, self.samples + self.samples // 3))

    def _cut(self, ids: np.ndarray) -> list[np.ndarray]:
        return np.split(ids, range(self.global_batch_size, len(ids), self.global_batch_size))

    def batches(self, global_batches: Sequence[np.ndarray]) -> Iterator[RowsPart]:
        for ids in global_batches:
            low, high = (len(ids) * part // world_size() for part in (rank(), rank() + 1))
            mine = torch.from_numpy(ids[low:high])
            rows = Rows(self.inputs[mine].to(self.dtype), self.targets[mine].to(self.dtype))
            yield RowsPart(rows, ids[low:high])

    def counts(self, ids: np.ndarray) -> Tensor:
        return torch.tensor([float(len(ids))] * 2, dtype=torch.float64)

    def loss_sums(self, outputs: Tensor, batch: Rows) -> Tensor:
        columns = zip(outputs.split(1, 1), batch.targets.split(1, 1), strict=True)
        return torch.stack([self.loss.local_sum(out, target) for out, target in columns])

    def finish(self, means: Tensor) -> Tensor:
        return self.loss.finish(means)
