import json
import logging
import pickle
import zlib

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from hydria.core.errors import DataError
from hydria.data.store import GraphStore, Ragged
from hydria.data.stores.columns import read_index
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
    with pytest.raises(DataError, match="names: expected numbers, got objects"):
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


def damage_index(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:-20])


def damage_bit_of_index(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("y.energy", "y.anergy"))


def damage_index_key(folder):
    change_index(folder, columns=[{"kind": "node"}])


def damage_foreign(folder):
    change_index(folder, format="something else")


def damage_version(folder):
    change_index(folder, schema_version=99)


def damage_old_version(folder):
    """Schema version 1 had its facts in the open."""
    (folder / "manifest.json").write_text(
        json.dumps({"format": "hydria-graph-store", "schema_version": 1, "columns": []})
    )


def damage_no_index(folder):
    (folder / "manifest.json").unlink()


def damage_offsets(folder):
    path = folder / "ptr.node_ptr.npy"
    offsets = np.load(path)
    offsets[-1] += 1
    np.save(path, offsets)


def damage_lose_offsets(folder):
    columns = read_index(folder / "manifest.json", folder)["columns"]
    change_index(folder, columns=[c for c in columns if c["name"] != "node_ptr"])


def change_index(folder, **changes):
    path = folder / "manifest.json"
    text = json.dumps(read_index(path, folder) | changes)
    path.write_text(json.dumps({"crc32": zlib.crc32(text.encode()), "index": text}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_truncate, r"node\.x\.npy: expected a column"),
        (damage_lose_column, r"node\.x\.npy: expected a column"),
        (damage_swap_header, r"node\.x\.npy: expected <f4 .* got <i4"),
        (damage_magic, r"node\.x\.npy: expected a column"),
        (damage_index, r"manifest\.json: expected the JSON index"),
        (damage_bit_of_index, r"manifest\.json: expected an index as it was written"),
        (damage_index_key, r"expected a complete index: KeyError"),
        (damage_foreign, r"manifest\.json: expected format 'hydria-graph-store'"),
        (damage_version, "expected a store of schema version 2, got 99"),
        (damage_old_version, "expected a store of schema version 2, got 1"),
        (damage_no_index, r"expected a store, got a folder without manifest\.json"),
        (damage_offsets, r"ptr\.node_ptr\.npy: node_ptr: .* checksum differs"),
        (damage_lose_offsets, r"expected arrays of a store: .*node_ptr"),
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

    store = GraphStore.from_data_list([packed(3), packed(5)])
    assert torch.equal(store[1].y, packed(5).y)
    assert torch.equal(store[1].y_loc, packed(5).y_loc)
    cut = store.unpacked([("energy", "graph", 1), ("moment", "node", 2)])
    assert cut.graph["y.energy"].tolist() == [[1.5], [1.5]]
    assert cut.node["y.moment"].shape == (8, 2)
    assert cut.node["y.moment"][3:].ravel().tolist() == list(range(10))
    with pytest.raises(DataError, match="sample 0, target 'moment': expected 9 values, got 6"):
        store.unpacked([("energy", "graph", 1), ("moment", "node", 3)])
    with pytest.raises(DataError, match="y_loc: expected 1 targets, got 2"):
        store.unpacked([("energy", "graph", 1)])
    with pytest.raises(DataError, match="expected a packed y with y_loc, got none"):
        random_store(2).unpacked([])


def test_fields_of_any_shape_are_kept():
    def with_matrix(n):
        return sample(n, distances=torch.arange(1.0 * n * n).reshape(n, n), cell=torch.eye(3))

    store = GraphStore.from_data_list([with_matrix(n) for n in (3, 5, 2)])
    assert isinstance(store.ragged["distances"], Ragged)
    for ids in ([0, 1, 2], [2, 0]):
        for place, number in enumerate(ids):
            taken = store.subset(ids)[place]
            assert torch.equal(taken.distances, with_matrix((3, 5, 2)[number]).distances)
            assert taken.cell.shape == (3, 3)
    assert "distances" not in store.batch([0, 1])


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
    ("samples", "message"),
    [
        ([], "expected at least one graph"),
        ([Data(x=torch.ones(2, 1))], "sample 0: expected an edge_index"),
        ([sample(energy=1.0), sample()], r"graph 1: .*differs in \['energy'\]"),
        ([sample(), sample(energy=1.0)], r"graph 1: .*differs in \['energy'\]"),
        ([sample(odd=torch.ones(1, 2, 3)), sample(odd=torch.ones(2))],
         "field 'odd': expected one number of dimensions"),
        ([sample(x=torch.ones(4, 1), pos=torch.ones(3, 3))], "node fields of one length"),
        ([sample(), sample(x=torch.ones(3, 5))], "field 'x': expected one shape"),
        ([sample(edge_index=torch.tensor([[0], [3]]))],
         r"graph 0: expected edge_target in \[0, 3\), got 3"),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_are_an_error(samples, message):
    with pytest.raises(DataError, match=message):
        GraphStore.from_data_list(samples)


@pytest.mark.parametrize("offsets", [[0, 1, 3], [1, 1, 2], [0, 3, 2]])
def test_offsets_of_targets_that_do_not_fit_are_an_error(offsets):
    packed = sample(y=torch.ones(2), y_loc=torch.tensor([offsets]))
    with pytest.raises(DataError, match="sample 0: expected y_loc to rise from 0 to 2"):
        GraphStore.from_data_list([packed]).unpacked([("a", "graph", 1), ("b", "graph", 1)])
