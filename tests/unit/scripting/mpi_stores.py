"""What 4 ranks of MPI do with stores; run by test_datasets."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI

from hydria.core.errors import DataError
from hydria.data.store import GraphStore
from hydria.data.stores.remote import RemoteStore
from hydria.scripting.datasets import AdiosDataset, AdiosWriter, DistDataset
from tests.support.graphs import random_store

comm = MPI.COMM_WORLD
rank, size = comm.Get_rank(), comm.Get_size()
assert size == 4
folder = Path(sys.argv[1])
store = random_store(23, (1, 9), (0, 20))


def same(one: GraphStore, other: GraphStore) -> None:
    for kind, columns in other.columns().items():
        for name, column in columns.items():
            np.testing.assert_array_equal(one.columns()[kind][name], column)


remote = RemoteStore(store, comm)
ids = np.random.default_rng(rank).permutation(23)
same(remote.subset(ids), store.subset(ids))
assert torch.equal(remote.batch(ids[:5]).x, store.batch(ids[:5]).x)
comm.Barrier()
remote.close()

own = [store[number] for number in range(rank, 23, size)]
spread = DistDataset(own, "trainset", comm)
order = [number for first in range(size) for number in range(first, 23, size)]
assert len(spread) == 23
for place in np.random.default_rng(rank).permutation(23).tolist():
    assert torch.equal(spread[place].pos, store[order[place]].pos)
comm.Barrier()

writer = AdiosWriter(folder / "sets.bp", comm)
writer.add("trainset", own)
writer.add_global("minmax_node_feature", np.array([[0.0], [1.0]]))
writer.save()
for options in ({}, {"preload": True}, {"preload": True, "shmem": True}, {"ddstore": True}):
    found = AdiosDataset(folder / "sets.bp", "trainset", comm, **options)
    assert found.minmax_node_feature.tolist() == [[0.0], [1.0]]
    for place in (0, 11, 22):
        assert torch.equal(found[place].pos, store[order[place]].pos)
    comm.Barrier()

part = random_store(2, x_dim=4 if rank == 1 else 3)
with pytest.raises(DataError, match="different fields"):
    RemoteStore(part, comm, parted=True)
print(f"rank {rank} is through", flush=True)
