import copy
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from hydria.core.errors import GraphError
from hydria.graph.batch import GraphBatch
from tests.support.graphs import random_store


def test_batch_equals_torch_geometric():
    store = random_store(30)
    ids = np.array([7, 3, 29, 3, 0])
    ours, theirs = store.batch(ids), Batch.from_data_list([store[int(i)] for i in ids])
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
        assert ours[name].dtype == theirs[name].dtype
    assert (ours.num_graphs, ours.num_nodes, ours.num_edges) == (
        theirs.num_graphs,
        theirs.num_nodes,
        theirs.num_edges,
    )


def test_edges_are_sorted_by_target():
    edge_index = random_store(30).batch([4, 1, 9]).edge_index
    assert (edge_index[1].diff() >= 0).all()


def test_fields_are_attributes_and_items():
    batch = random_store(3).batch([0, 1])
    assert batch.x is batch["x"]
    assert "y.energy" in batch
    assert getattr(batch, "cell", None) is None
    with pytest.raises(AttributeError, match="no field 'cell'"):
        _ = batch.cell


def test_empty_batch_keeps_shapes_and_dtypes():
    store = random_store(3)
    batch, full = store.batch([]), store.batch([0])
    assert (batch.num_graphs, batch.num_nodes, batch.num_edges) == (0, 0, 0)
    assert batch.ptr.tolist() == [0]
    for name in ("x", "edge_attr", "y.energy"):
        assert batch[name].shape == (0, *full[name].shape[1:])
        assert batch[name].dtype == full[name].dtype
    assert batch.edge_index.shape == (2, 0)


def test_to_converts_floating_point_fields_only():
    batch = random_store(3).batch([0, 2]).to(dtype=torch.float64)
    assert batch.x.dtype == batch["y.energy"].dtype == torch.float64
    assert batch.edge_index.dtype == batch.batch.dtype == torch.int64


def test_replace_leaves_the_original_alone():
    batch = random_store(3).batch([0])
    changed = batch.replace(x=batch.x + 1)
    assert torch.equal(changed.x, batch.x + 1)
    assert changed.pos is batch.pos


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_batch_can_be_copied_and_pickled(copier):
    batch = random_store(3).batch([0, 1])
    twin = copier(batch)
    assert twin.num_nodes == batch.num_nodes
    assert torch.equal(twin.x, batch.x)


def test_missing_fields_are_named():
    with pytest.raises(GraphError, match="edge_index"):
        GraphBatch({"batch": torch.zeros(0), "ptr": torch.zeros(1)})
