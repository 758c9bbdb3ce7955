import threading
import time

import numpy as np
import pytest
import torch

from hydria.core.errors import DataError
from hydria.data.loaders import BatchLoader
from hydria.data.samplers import GlobalBatches
from tests.support.graphs import random_store


def loader_threads():
    return [thread for thread in threading.enumerate() if "hydria-loader" in thread.name]


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_loader_yields_the_batches_in_order(num_workers):
    store = random_store(23)
    order = GlobalBatches(len(store), 4, seed=1).epoch(0)
    parts = list(BatchLoader(store, num_workers=num_workers, prefetch=2)(order))
    assert len(parts) == len(order)
    for part, ids in zip(parts, order, strict=True):
        np.testing.assert_array_equal(part.ids, ids)
        assert torch.equal(part.batch.x, store.batch(ids).x)
        assert part.num_graphs == len(ids)
        assert part.num_nodes == part.batch.num_nodes
    assert not loader_threads()


@pytest.mark.parametrize("world_size", [2, 3, 6])
def test_ranks_share_each_global_batch(world_size):
    store = random_store(10)
    order = GlobalBatches(len(store), 4, seed=1).epoch(0)  # 4 + 4 + 2: some ranks get nothing
    parts = [list(BatchLoader(store, rank, world_size)(order)) for rank in range(world_size)]
    for step, ids in enumerate(order):
        mine = [parts[rank][step] for rank in range(world_size)]
        whole = store.batch(ids)
        assert torch.equal(torch.cat([part.batch.x for part in mine]), whole.x)
        assert {(part.num_graphs, part.num_nodes) for part in mine} == {
            (whole.num_graphs, whole.num_nodes)
        }


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_reach_the_caller_in_turn(num_workers):
    store = random_store(6)
    order = [np.array([0]), np.array([99]), np.array([1])]
    parts = BatchLoader(store, num_workers=num_workers)(order)
    assert next(parts).ids.tolist() == [0]
    with pytest.raises(DataError, match="got 99"):
        next(parts)
    assert not loader_threads()


def test_closing_early_ends_the_workers():
    store = random_store(6)
    parts = BatchLoader(store, num_workers=2, prefetch=3)([np.array([0])] * 1000)
    next(parts)
    assert loader_threads()
    parts.close()
    assert not loader_threads()


def test_loader_prefetches_no_more_than_asked():
    store = random_store(6)
    assembled = []

    class Recording:
        sizes = store.sizes

        def batch(self, ids):
            assembled.append(ids)
            return store.batch(ids)

    parts = BatchLoader(Recording(), num_workers=1, prefetch=3)([np.array([0])] * 50)
    next(parts)
    deadline = time.monotonic() + 10
    while len(assembled) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)  # time enough to run ahead, if it did
    assert len(assembled) == 4
    parts.close()


def test_dtype_is_that_of_training():
    part = next(BatchLoader(random_store(3), dtype=torch.float64)([np.array([0, 1])]))
    assert part.batch.x.dtype == torch.float64
    assert part.batch.edge_index.dtype == torch.int64


@pytest.mark.gpu
@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader_fills_the_device(num_workers):
    store = random_store(40)
    order = GlobalBatches(len(store), 8, seed=1).epoch(0)
    for part in BatchLoader(store, num_workers=num_workers, device="cuda")(order):
        assert part.batch.x.is_cuda
        for name in part.batch:
            assert torch.equal(part.batch[name].cpu(), store.batch(part.ids)[name])
