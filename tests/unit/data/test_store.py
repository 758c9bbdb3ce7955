import json
import logging
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from hydria.core.errors import DataError
from hydria.data.store import GraphStore
from tests.support.graphs import random_store


def assert_same(one, other):
    np.testing.assert_array_equal(one.node_ptr, other.node_ptr)
    np.testing.assert_array_equal(one.edge_ptr, other.edge_ptr)
    assert one.attrs == other.attrs
    for kind, columns in one.columns().items():
        assert columns.keys() == other.columns()[kind].keys()
        for name, column in columns.items():
            np.testing.assert_array_equal(column, other.columns()[kind][name], err_msg=name)
            assert column.dtype == other.columns()[kind][name].dtype


def test_columns_are_exchanged_in_a_new_store():
    store = random_store(3, note="kept")
    changed = store.replace(node={"x": store.node["x"] * 2}, attrs={"more": 1})
    assert torch.equal(changed.batch([1]).x, store.batch([1]).x * 2)
    assert changed.node["pos"] is store.node["pos"]
    assert changed.attrs == store.attrs | {"more": 1}
    with pytest.raises(TypeError, match="does not support item assignment"):
        store.node["x"] = store.node["pos"]


def test_store_can_be_pickled(tmp_path):
    store = random_store(3, note="kept")
    assert_same(pickle.loads(pickle.dumps(store)), store)
    opened = GraphStore.open(store.save(tmp_path / "s"))
    assert_same(pickle.loads(pickle.dumps(opened)), store)


def columns_of(store):
    return {
        "node": store.node,
        "edge": store.edge,
        "graph": store.graph,
        "node_ptr": store.node_ptr,
        "edge_ptr": store.edge_ptr,
    }


@pytest.mark.parametrize("mmap", [True, False])
def test_saved_store_opens_as_it_was(tmp_path, mmap):
    store = random_store(12, units={"y.energy": "eV"}, provenance={"files": ["a"]})
    opened = GraphStore.open(store.save(tmp_path / "s"), mmap=mmap)
    assert_same(opened, store)
    assert isinstance(opened.node["x"], np.memmap) == mmap
    ids = [3, 11, 0]
    for name in (batch := store.batch(ids)):
        assert torch.equal(opened.batch(ids)[name], batch[name])


def test_mapped_store_cannot_be_changed(tmp_path):
    opened = GraphStore.open(random_store(3).save(tmp_path / "s"))
    with pytest.raises(ValueError, match="read-only"):
        opened.node["x"][0] = 1
    opened.batch([0]).x.fill_(1)  # a batch is a copy


def test_store_without_edges_or_graphs_can_be_saved(tmp_path):
    for name, store in (("e", random_store(3, edges=0)), ("g", random_store(2).subset([]))):
        assert_same(GraphStore.open(store.save(tmp_path / name)), store)


def test_column_names_may_hold_anything(tmp_path):
    store = random_store(2).replace(graph={"y.a/b ä": np.ones((2, 1))})
    assert_same(GraphStore.open(store.save(tmp_path / "s")), store)


def test_saving_leaves_nothing_else_behind(tmp_path):
    random_store(3).save(tmp_path / "deep" / "s")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["s"]


def test_existing_folder_is_not_overwritten(tmp_path):
    folder = random_store(3).save(tmp_path / "s")
    with pytest.raises(DataError, match="expected no store there yet"):
        random_store(4).save(folder)
    assert len(GraphStore.open(folder)) == 3


def test_failed_save_leaves_nothing(tmp_path):
    store = random_store(3).replace(graph={"names": np.array(["a", "b", None], dtype=object)})
    with pytest.raises(ValueError, match="Object arrays"):
        store.save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_attributes_that_json_cannot_hold_are_an_error(tmp_path):
    with pytest.raises(DataError, match="values that JSON can hold"):
        random_store(3, when=object()).save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def damage_truncate(folder):
    path = folder / "node.x.npy"
    path.write_bytes(path.read_bytes()[:-5])


def damage_lose_column(folder):
    (folder / "node.x.npy").unlink()


def damage_swap_header(folder):
    path = folder / "node.x.npy"
    path.write_bytes(path.read_bytes().replace(b"<f4", b"<i4"))


def damage_magic(folder):
    path = folder / "node.x.npy"
    path.write_bytes(b"?" * path.stat().st_size)


def damage_manifest(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:-20])


def damage_manifest_key(folder):
    change_manifest(folder, columns=[{"kind": "node"}])


def damage_foreign(folder):
    change_manifest(folder, format="something else")


def damage_version(folder):
    change_manifest(folder, schema_version=99)


def damage_no_manifest(folder):
    (folder / "manifest.json").unlink()


def damage_offsets(folder):
    path = folder / "ptr.node_ptr.npy"
    offsets = np.load(path)
    offsets[-1] += 1
    np.save(path, offsets)


def damage_lose_offsets(folder):
    columns = json.loads((folder / "manifest.json").read_text())["columns"]
    change_manifest(folder, columns=[c for c in columns if c["name"] != "node_ptr"])


def change_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_truncate, r"node\.x\.npy: expected \d+ bytes, got \d+"),
        (damage_lose_column, r"node\.x\.npy: expected a column"),
        (damage_swap_header, r"node\.x\.npy: expected <f4 .* got <i4"),
        (damage_magic, r"node\.x\.npy: expected a column"),
        (damage_manifest, r"manifest\.json: expected the JSON manifest"),
        (damage_manifest_key, r"manifest\.json: expected a complete manifest: KeyError"),
        (damage_foreign, r"manifest\.json: expected format 'hydria-graph-store'"),
        (damage_version, "expected a store of schema version 1, got 99"),
        (damage_no_manifest, r"expected a store with a manifest\.json, got a folder without one"),
        (damage_offsets, r"columns of this store do not fit: .*expected \d+ rows"),
        (damage_lose_offsets, r"columns of this store do not fit: .*node_ptr"),
    ],
)
def test_damaged_store_is_refused(tmp_path, damage, message):
    folder = random_store(5).save(tmp_path / "s")
    damage(folder)
    with pytest.raises(DataError, match=message):
        GraphStore.open(folder)


def test_missing_store_is_an_error(tmp_path):
    with pytest.raises(DataError, match="got nothing there"):
        GraphStore.open(tmp_path / "s")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_ptr": [0, 3]}, "offsets of one length"),
        ({"node_ptr": [0, 5, 2]}, "node_ptr: expected a rising sequence"),
        ({"edge_ptr": [1, 2, 3]}, "edge_ptr: expected a rising sequence"),
        ({"node_ptr": []}, "node_ptr: expected a rising sequence"),
        ({"graph": {"y.a": np.zeros((3, 1))}}, r"graph column 'y.a': expected 2 rows"),
        ({"graph": {"y.a": np.zeros(())}}, r"graph column 'y.a': expected 2 rows"),
        ({"graph": {"x": np.zeros((2, 1))}}, "column 'x': expected one kind, got node and graph"),
        ({"edge": {}}, r"expected edge columns .* missing \['edge_source', 'edge_target'\]"),
    ],
)
def test_columns_that_do_not_fit_are_an_error(changes, message):
    with pytest.raises(DataError, match=message):
        GraphStore(**(columns_of(random_store(2)) | changes))


@pytest.mark.parametrize("ids", [[5], [-1], [0, 7]])
def test_ids_out_of_range_are_an_error(ids):
    store = random_store(5)
    for use in (store.batch, store.subset, store.sizes):
        with pytest.raises(DataError, match=r"expected sample ids in \[0, 5\)"):
            use(ids)


def test_subset_equals_the_batch_of_its_ids():
    store = random_store(9, note="kept")
    subset = store.subset([8, 0, 0])
    assert len(subset) == 3
    assert subset.attrs == store.attrs
    for name in (batch := store.batch([8, 0, 0])):
        assert torch.equal(subset.batch([0, 1, 2])[name], batch[name])


def test_sizes_are_those_of_the_samples():
    store = random_store(9)
    nodes, edges = store.sizes([4, 2])
    assert nodes.tolist() == [store[4].num_nodes, store[2].num_nodes]
    assert edges.tolist() == [store[4].num_edges, store[2].num_edges]
    assert store.sizes()[0].sum() == store.node_ptr[-1]


def test_samples_are_indexed_like_a_list():
    store = random_store(4)
    assert torch.equal(store[-1].x, store[3].x)
    with pytest.raises(IndexError):
        store[4]
    assert len(list(store)) == 4


def test_samples_go_out_and_come_back():
    cell = np.random.default_rng(0).normal(size=(7, 3, 3)).astype("float32")
    pbc = np.ones((7, 3), dtype=bool)
    store = random_store(7).replace(graph={"cell": cell, "pbc": pbc})
    again = GraphStore.from_data_list([store[i] for i in range(len(store))])
    assert_same(again, store)


def sample(num_nodes=3, **fields):
    """A path of `num_nodes` nodes, its edges not sorted by target."""
    steps = torch.arange(num_nodes - 1)
    edge_index = torch.stack([torch.cat([steps, steps + 1]), torch.cat([steps + 1, steps])])
    x = torch.arange(2.0 * num_nodes).reshape(num_nodes, 2)
    return Data(**({"x": x, "edge_index": edge_index.flip(1)} | fields))


def test_edges_are_sorted_by_target_with_their_columns():
    lengths = torch.arange(4.0)[:, None]
    store = GraphStore.from_data_list([sample(edge_attr=lengths)] * 2)
    original = sample()
    order = torch.argsort(original.edge_index[1], stable=True)
    for number in range(2):
        assert torch.equal(store[number].edge_index, original.edge_index[:, order])
        assert torch.equal(store[number].edge_attr, lengths[order])


def test_packed_targets_are_cut_by_y_loc():
    def packed(n):
        y = torch.cat([torch.tensor([[1.5]]), torch.arange(2.0 * n)[:, None]])
        return sample(n, y=y, y_loc=torch.tensor([[0, 1, 1 + 2 * n]]))

    targets = [("energy", "graph", 1), ("moment", "node", 2)]
    store = GraphStore.from_data_list([packed(3), packed(5)], targets)
    assert store.graph["y.energy"].tolist() == [[1.5], [1.5]]
    assert store.node["y.moment"].shape == (8, 2)
    assert store.node["y.moment"][3:].ravel().tolist() == list(range(10))
    unnamed = GraphStore.from_data_list([packed(3), packed(5)])
    assert unnamed.graph["y.0"].shape == (2, 1)
    assert unnamed.node["y.1"].shape == (8, 2)


def test_plain_y_is_one_target():
    store = GraphStore.from_data_list([sample(n, y=torch.ones(1, 4)) for n in (3, 4)])
    assert store.graph["y.0"].shape == (2, 4)


def test_plain_attributes_find_their_kind():
    samples = [
        sample(
            n,
            forces=torch.ones(n, 3),
            energy=torch.tensor(2.0),
            cell=torch.eye(3),
            stress=torch.ones(1, 3, 3),
            edge_weight=torch.ones(2 * (n - 1)),
            charge=n,
        )
        for n in (3, 4)
    ]
    store = GraphStore.from_data_list(samples)
    assert store.node["forces"].shape == (7, 3)
    assert {name: column.shape for name, column in store.graph.items()} == {
        "energy": (2, 1),
        "cell": (2, 3, 3),
        "stress": (2, 3, 3),
        "charge": (2, 1),
    }
    assert store.edge["edge_weight"].shape == (10,)


def test_attributes_that_are_not_numeric_are_left_out_and_named(caplog):
    with caplog.at_level(logging.WARNING):
        store = GraphStore.from_data_list([sample(origin="here"), sample(origin="there")])
    assert "'origin' is not numeric" in caplog.text
    assert "origin" not in {name for columns in store.columns().values() for name in columns}


@pytest.mark.parametrize(
    ("samples", "targets", "message"),
    [
        ([], None, "expected at least one sample"),
        ([Data(x=torch.ones(2, 1))], None, "sample 0: expected an edge_index"),
        ([sample(energy=1.0), sample()], None, r"graph 1: .*differs in \['energy'\]"),
        ([sample(), sample(energy=1.0)], None, r"graph 1: .*differs in \['energy'\]"),
        ([sample(5, odd=torch.ones(5, 1)), sample(4, odd=torch.ones(7, 1))], None,
         "attribute 'odd': expected one row per node or per edge"),
        ([sample(x=torch.ones(4, 1), pos=torch.ones(3, 3))], None, "node fields of one length"),
        ([sample(), sample(x=torch.ones(3, 5))], None, "field 'x': expected one shape"),
        ([sample(edge_index=torch.tensor([[0], [3]]))], None,
         r"graph 0: expected edge_target in \[0, 3\), got 3"),
        ([sample(y=torch.ones(2), y_loc=torch.tensor([0, 1, 3]))], None,
         "sample 0: expected y_loc"),
        ([sample(y=torch.ones(2)), sample()], None, "sample 1: expected a y"),
        ([sample(y=torch.ones(2))], [("a", "graph", 1), ("b", "graph", 1)], "expected 2 targets"),
        ([sample(y=torch.ones(2))], [("a", "node", 1)],
         "sample 0, target 'a': expected 3 × 1 values, got 2"),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_are_an_error(samples, targets, message):
    with pytest.raises(DataError, match=message):
        GraphStore.from_data_list(samples, targets)
