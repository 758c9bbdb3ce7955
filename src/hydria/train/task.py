"""What the training loop asks of a workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Ids = NDArray[np.int64]
SPLITS = ("train", "validate", "test")


@dataclass(frozen=True)
class Stage:
    """A part of the training with weights of its own.

    Attributes:
        epoch: its first one.
        weights: (T,) of the terms, from there on.
        learning_rate: from there on, its schedule beginning anew; None: as it is.
    """

    epoch: int
    weights: Tensor
    learning_rate: float | None = None


class Part(Protocol):
    """This rank's part of a global batch, possibly empty.

    Attributes:
        batch: what the model is called with, on its device.
        ids: the samples in it.
    """

    @property
    def batch(self) -> Any: ...

    @property
    def ids(self) -> Ids: ...


class Task(Protocol):
    """Data, model and loss of one run, on one rank.

    A loss is a weighted sum of terms (one per head, say). Each term is a mean over the elements
    of the global batch: the task gives the sum over its own part and the global count, the loop
    adds the sums of all ranks.

    Attributes:
        model: the network; the loop moves it to the device and wraps it.
        terms: names of the loss terms.
        weights: (T,) their weights at the beginning.
        stages: what changes later, by rising epochs.
        facts: JSON-able description of the model; two runs with equal facts can exchange states.
        global_batch_size: samples of a step over all ranks.
        synchronised: whether batch statistics are those of the global batch.
    """

    model: nn.Module
    terms: Sequence[str]
    weights: Tensor
    stages: Sequence[Stage]
    facts: Mapping[str, Any]
    global_batch_size: int
    synchronised: bool

    def order(self, epoch: int) -> list[Ids]:
        """Global batches of the training set in this epoch, whatever the number of ranks."""

    def fixed(self, split: str) -> list[Ids]:
        """Global batches of a split in its own order."""

    def batches(self, global_batches: Sequence[Ids]) -> Iterator[Part]:
        """This rank's part of each global batch, assembled ahead."""

    def counts(self, ids: Ids) -> Tensor:
        """(T,) float64: elements of each term in these samples."""

    def loss_sums(self, outputs: Any, batch: Any) -> Tensor:
        """(T,) sums of each term over this part, differentiable."""

    def finish(self, means: Tensor) -> Tensor:
        """(T,) means over a global batch → (T,) losses; a root for the root mean square."""
