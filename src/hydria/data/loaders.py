"""Batches for one rank, assembled ahead of the training step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hydria.data.samplers import rank_part
from hydria.data.store import GraphStore
from hydria.graph.batch import GraphBatch

Ids = NDArray[np.int64]


class Part(NamedTuple):
    """One rank's part of a global batch.

    Attributes:
        batch: its graphs; empty when the global batch has fewer samples than there are ranks.
        ids: their sample ids.
        num_graphs, num_nodes: of the whole global batch, known without asking other ranks.
    """

    batch: GraphBatch
    ids: Ids
    num_graphs: int
    num_nodes: int


@dataclass(frozen=True)
class BatchLoader:
    """Cuts a rank's parts out of global batches.

    Attributes:
        store: where the samples are.
        rank, world_size: whose part.
        num_workers: threads that assemble in the background (gathers release the interpreter
            lock); 0 assembles when a batch is asked for.
        prefetch: batches ahead of the one in use, when there are workers.
        device: where batches go; to a GPU through page-locked memory, without waiting.
        dtype: of the floating-point fields; None leaves them as stored.
    """

    store: GraphStore
    rank: int = 0
    world_size: int = 1
    num_workers: int = 0
    prefetch: int = 4
    device: torch.device | str = "cpu"
    dtype: torch.dtype | None = None

    def __call__(self, global_batches: Sequence[Ids]) -> Iterator[Part]:
        """This rank's part of each global batch, in order.

        An error in a worker is raised here, where its batch is due. Closing the iterator (or
        dropping it) ends the workers.
        """
        if self.num_workers == 0:
            for ids in global_batches:
                yield self._on_device(self._assemble(ids))
            return
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="hydria-loader")
        try:
            todo = iter(global_batches)
            ahead = max(self.prefetch, self.num_workers)
            pending: deque[Future[Part]] = deque(
                pool.submit(self._assemble, ids) for ids in islice(todo, ahead)
            )
            while pending:
                part = pending.popleft().result()
                pending.extend(pool.submit(self._assemble, ids) for ids in islice(todo, 1))
                yield self._on_device(part)
        finally:
            pool.shutdown(cancel_futures=True)

    def _assemble(self, global_ids: Ids) -> Part:
        ids = rank_part(global_ids, self.rank, self.world_size)
        batch = self.store.batch(ids).to(dtype=self.dtype)
        if torch.device(self.device).type == "cuda":
            batch = batch.pin_memory()
        num_nodes = int(self.store.sizes(global_ids)[0].sum())
        return Part(batch, ids, len(global_ids), num_nodes)

    def _on_device(self, part: Part) -> Part:
        return part._replace(batch=part.batch.to(self.device, non_blocking=True))
