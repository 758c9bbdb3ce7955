"""Which samples make up which step, whatever the number of ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError

Ids = NDArray[np.int64]


class GlobalBatches:
    """The global batches of each epoch.

    Order and membership are a function of the seed, the epoch and the global batch size; the
    number of ranks only decides how each global batch is cut (`rank_part`). The same on every
    platform and with every NumPy: only the raw stream of a bit generator is used, which NumPy
    keeps stable, unlike its shuffles.
    """

    def __init__(
        self,
        samples: int | ArrayLike,
        global_batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        """Describe the epochs.

        Args:
            samples: sample ids, or their number n for the ids 0 to n - 1.
            global_batch_size: samples of a step over all ranks.
            seed: any integer.
            shuffle: draw a new order in each epoch instead of keeping the given one.
            drop_last: leave out the last global batch when it is short.

        Raises:
            DataError: if there are no samples, or no batch is left.
        """
        ids = np.arange(samples) if isinstance(samples, int) else np.asarray(samples)
        self.ids: Ids = ids.astype(np.int64)
        self.global_batch_size = global_batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last
        if global_batch_size < 1:
            raise DataError(f"global batch size: expected a number >= 1, got {global_batch_size}")
        if not len(self):
            raise DataError(
                f"global batches: expected at least one, got none from {len(self.ids)} samples "
                f"with a global batch of {global_batch_size}"
            )

    def __len__(self) -> int:
        """Global batches (steps) of an epoch."""
        full, rest = divmod(len(self.ids), self.global_batch_size)
        return full + (rest > 0 and not self.drop_last)

    def epoch(self, epoch: int, start_step: int = 0) -> list[Ids]:
        """Sample ids of each global batch, from `start_step` on to resume within the epoch."""
        ids = self.ids[self._order(epoch)] if self.shuffle else self.ids
        size = self.global_batch_size
        return [ids[step * size : (step + 1) * size] for step in range(start_step, len(self))]

    def _order(self, epoch: int) -> Ids:
        # SeedSequence takes no negative numbers
        entropy = np.random.SeedSequence([self.seed % 2**64, epoch])
        return np.argsort(np.random.Philox(entropy).random_raw(len(self.ids)), kind="stable")


def rank_part(ids: Ids, rank: int, world_size: int) -> Ids:
    """The contiguous part of a global batch that `rank` works on; may be empty.

    The parts of all ranks, in order of rank, are the global batch; their lengths differ by at
    most one.
    """
    return ids[len(ids) * rank // world_size : len(ids) * (rank + 1) // world_size]
