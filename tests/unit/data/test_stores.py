"""What every kind of store must do, whatever keeps its graphs."""

import json
import os
import pickle
import signal
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from hydria.core.errors import DataError, HydriaError
from hydria.data.store import GraphStore, Ragged
from hydria.data.stores import WRITERS, convert, new_store, open_store, verify
from hydria.data.stores.adios import AdiosStore, BpWriter
from hydria.data.stores.samples import ListSource, SampleStore, facts_of, preloaded
from hydria.data.stores.shared import shared
from hydria.runtime import collectives
from tests.support.graphs import random_store
from tests.support.ranks import on_ranks
from tests.unit.data.test_store import assert_same

HYDRAGNN = Path(__file__).parent / "hydragnn_stores"
SUFFIX = {"adios2": ".bp", "pickle": ".pkl"}


def varied_store(count=7):
    """Fields of many types and shapes, one with two varying dimensions, units and provenance."""
    store = random_store(
        count, (1, 9), (0, 20), units={"y.energy": "eV"}, provenance={"files": ["a"]},
        minmax_node_feature=[[0.0], [1.0]],
    )  # fmt: skip
    rng = np.random.default_rng(1)
    nodes, edges = store.sizes()
    shapes = np.stack([nodes, nodes // 2], axis=1)
    return GraphStore(
        node={
            **store.node,
            "z": rng.integers(1, 90, nodes.sum()).astype(np.int32),
            "half": rng.normal(size=(nodes.sum(), 2)).astype(np.float16),
            "mask": rng.random((nodes.sum(), 1)) < 0.5,
        },
        edge={**store.edge, "empty": np.empty((edges.sum(), 0), np.float32)},
        graph={
            **store.graph,
            "pbc": rng.random((count, 3)) < 0.5,
            "cell": rng.normal(size=(count, 3, 3)),
            "wave": rng.normal(size=(count, 2)) + 1j,
        },
        node_ptr=store.node_ptr,
        edge_ptr=store.edge_ptr,
        ragged={"matrix": Ragged(rng.normal(size=shapes.prod(axis=1).sum()), shapes)},
        attrs=store.attrs,
    )


def kept_in_memory(store, folder):
    return store


def kept_in_a_list(store, folder):
    facts = facts_of(store)
    return SampleStore(ListSource([store[i] for i in range(len(store))], **facts))


def kept_in_shared_memory(store, folder):
    return shared(lambda: store)


def kept_in_files(kind):
    def keep(store, folder):
        place = folder / f"store{SUFFIX.get(kind, '')}"
        convert(store, new_store(place, kind))
        return open_store(place)

    return keep


KEEP = {
    "memory": kept_in_memory,
    "list": kept_in_a_list,
    "shared memory": kept_in_shared_memory,
    **{kind: kept_in_files(kind) for kind in WRITERS},
}


@pytest.fixture(params=KEEP)
def kept(request, tmp_path):
    """A store, and the same in some kind of keeping."""
    store = varied_store()
    return store, KEEP[request.param](store, tmp_path)


def test_every_field_comes_back_as_it_was(kept):
    store, other = kept
    assert len(other) == len(store)
    assert_same(preloaded(other), store)
    same_ragged(preloaded(other), store)


def same_ragged(one, other):
    assert one.ragged.keys() == other.ragged.keys()
    for name, field in one.ragged.items():
        np.testing.assert_array_equal(field.shapes, other.ragged[name].shapes)
        np.testing.assert_array_equal(field.values, other.ragged[name].values)
        assert field.values.dtype == other.ragged[name].values.dtype


@pytest.mark.parametrize("ids", [[3, 4, 5, 1], [0], [6, 6], []])
def test_chosen_graphs_are_the_same_everywhere(kept, ids):
    store, other = kept
    expected, found = store.batch(ids), other.batch(ids)
    assert sorted(found) == sorted(expected)
    for name in expected:
        assert torch.equal(found[name], expected[name]), name
    assert_same(other.subset(ids), store.subset(ids))
    same_ragged(other.subset(ids), store.subset(ids))
    assert [one.tolist() for one in other.sizes(ids)] == [s.tolist() for s in store.sizes(ids)]


def test_single_graphs_are_samples(kept):
    store, other = kept
    for index in (0, -1):
        one, two = store[index], other[index]
        assert sorted(one.keys()) == sorted(two.keys())
        for name in one.keys():  # noqa: SIM118 (`Data` is no dict)
            assert torch.equal(one[name], two[name]) if name != "num_nodes" else True, name
    with pytest.raises(IndexError):
        other[7]
    with pytest.raises(DataError, match=r"expected sample ids in \[0, 7\)"):
        other.subset([7])


@pytest.mark.parametrize("rows", [1, 40, 10**6])
def test_pieces_are_all_graphs_in_order(kept, rows):
    store, other = kept
    pieces = list(other.pieces(rows))
    assert sum(map(len, pieces)) == len(store)
    assert all(len(piece) == 1 or piece.node_ptr[-1] + piece.edge_ptr[-1] <= rows
               for piece in pieces)  # fmt: skip
    place = 0
    for piece in pieces:
        assert_same(piece, store.subset(range(place, place + len(piece))))
        place += len(piece)


def test_stores_travel_to_other_processes(kept):
    store, other = kept
    assert_same(preloaded(pickle.loads(pickle.dumps(other))), store)


@pytest.mark.parametrize("one", KEEP)
@pytest.mark.parametrize("other", WRITERS)
def test_any_store_becomes_any_other_in_pieces(tmp_path, one, other):
    store = varied_store()
    source = KEEP[one](store, tmp_path / "a")
    place = tmp_path / "b" / f"store{SUFFIX.get(other, '')}"
    with new_store(place, other) as writer:
        for piece in source.pieces(30):
            writer.append(piece)
    assert_same(preloaded(open_store(place)), store)
    assert verify(place)
    assert [file.name for file in place.parent.iterdir()] == [place.name]


def write(place, kind, *pieces, raised=None, replace=False):
    with new_store(place, kind, replace) as writer:
        for piece in pieces:
            writer.append(piece)
        if raised is not None:
            raise raised


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_there_is_kept_unless_it_is_to_be_replaced(tmp_path, kind):
    place = tmp_path / "store"
    convert(varied_store(5), new_store(place, kind))
    with pytest.raises(DataError, match="expected no store there yet"):
        convert(varied_store(3), new_store(place, kind))
    with pytest.raises(KeyboardInterrupt):
        write(place, kind, varied_store(3), raised=KeyboardInterrupt, replace=True)
    assert len(open_store(place)) == 5
    convert(varied_store(3), new_store(place, kind, replace=True))
    assert_same(preloaded(open_store(place)), varied_store(3))
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("kind", WRITERS)
def test_pieces_of_another_kind_are_refused(tmp_path, kind):
    store = random_store(3)
    other = store.replace(node={"more": store.node["x"]})
    with pytest.raises(DataError, match=r"expected the same fields throughout, not .*'more'"):
        write(tmp_path / "s", kind, store, other)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "adios2"])
def test_mixed_types_are_refused(tmp_path, kind):
    with pytest.raises(DataError, match=r"field 'x': expected <f4 \(\*, 3\) as before, got <f8"):
        write(tmp_path / "s", kind, random_store(3), random_store(3, dtype="float64"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_is_written_of_no_piece(tmp_path, kind):
    with pytest.raises(DataError, match="expected at least one graph"):
        write(tmp_path / "s", kind)
    assert list(tmp_path.iterdir()) == []


def big_files(place):
    """The files that hold the graphs, and the index."""
    return sorted(
        file for file in ([place] if place.is_file() else place.rglob("*"))
        if file.is_file() and file.name != "profiling.json" and file.stat().st_size > 0
    )  # fmt: skip


def complaint(place):
    """What is wrong with a store, or nothing."""
    try:
        verify(place)
    except DataError as err:
        return str(err)
    return ""


def is_whole(place, said):
    """The padding of a header may hold anything."""
    assert_same(preloaded(open_store(place)), random_store(4))
    return said == ""


@pytest.mark.parametrize("kind", WRITERS)
def test_a_flipped_bit_or_a_lost_end_is_found_and_named(tmp_path, kind):
    place = tmp_path / f"store{SUFFIX.get(kind, '')}"
    convert(random_store(4), new_store(place, kind))
    for number, file in enumerate(big_files(place)):
        whole = file.read_bytes()
        rng = np.random.default_rng(number)
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        for content in (bytes(damaged), whole[: len(whole) // 2]):
            file.write_bytes(content)
            said = complaint(place)
            assert str(place) in said or is_whole(place, said)
        file.write_bytes(whole)
    assert verify(place)


@pytest.mark.parametrize("name", ["store", "store.bp"])
def test_damage_of_the_data_is_named(tmp_path, name):
    place = tmp_path / name
    store = random_store(4).replace(graph={"y.energy": np.full((4, 1), 1234.5)})
    convert(store, new_store(place))
    (file,) = (one for one in big_files(place) if np.float64(1234.5).tobytes() in one.read_bytes())
    content = file.read_bytes()
    file.write_bytes(content.replace(np.float64(1234.5).tobytes(), np.float64(9e9).tobytes(), 1))
    with pytest.raises(DataError, match=f"{name}.*y.energy: expected rows 0 to 3 as they were"):
        verify(place)


@pytest.mark.parametrize("points", [12, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_killed_writer_leaves_the_old_store_or_the_new_one(tmp_path, kind, points):
    place = tmp_path / f"store{SUFFIX.get(kind, '')}"
    stores = [random_store(2 + number, 2, 2) for number in range(2)]
    convert(stores[0], new_store(place, kind))
    start = time.perf_counter()
    convert(stores[0], new_store(place, kind, replace=True))
    needed = max(time.perf_counter() - start, 0.05)
    ends = set()
    for number in range(points):
        child = os.fork()
        if not child:
            convert(stores[1 - number % 2], new_store(place, kind, replace=True))
            signal.pause()
        time.sleep(needed * 1.7 * number / points)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = open_store(place)
        ends.add(len(found))
        assert_same(preloaded(found), stores[len(found) - 2])
    assert ends == {2, 3}


def test_a_reader_sees_one_of_two_stores_while_they_are_exchanged(tmp_path):
    place = tmp_path / "store"
    stores = [random_store(2 + number, 2, 2, seed=number) for number in range(2)]
    convert(stores[0], new_store(place))
    child = os.fork()
    if not child:
        for turn in range(20):
            convert(stores[turn % 2], new_store(place, replace=True))
        os._exit(0)
    reads = 0
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        found = open_store(place)
        assert_same(found, stores[len(found) - 2])
        reads += 1
    assert reads > 1


@pytest.mark.parametrize("kind", ["folder", "adios2"])
def test_other_versions_are_refused(tmp_path, kind):
    place = tmp_path / "store"
    convert(random_store(2), new_store(place, kind))
    path = place / ("hydria.json" if kind == "adios2" else "manifest.json")
    version = '"schema_version": {}, "attrs"'
    text = json.loads(path.read_text())["index"].replace(version.format(2), version.format(7))
    path.write_text(json.dumps({"crc32": zlib.crc32(text.encode()), "index": text}))
    with pytest.raises(DataError, match="expected a store of schema version 2, got 7"):
        open_store(place)


def test_what_is_no_store_is_said(tmp_path):
    with pytest.raises(DataError, match=r"expected a store .*, got nothing there"):
        open_store(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"expected a store .*, got another folder"):
        open_store(tmp_path)
    with pytest.raises(HydriaError, match=r"unknown kind of store 'pikle'.*did you mean 'pickle'"):
        new_store(tmp_path / "s", "pikle")
    with pytest.raises(DataError, match="expected no label for a folder, got 'train'"):
        new_store(f"{tmp_path}/s#train")


def test_labels_are_kept_apart(tmp_path):
    place = tmp_path / "sets.bp"
    with BpWriter(place) as writer:
        writer.append("trainset", random_store(4))
        writer.append("testset", random_store(2, seed=1))
        writer.attribute("minmax_node_feature", [[1.0, 2.0]])
    assert_same(preloaded(open_store(f"{place}#testset")), random_store(2, seed=1))
    with pytest.raises(DataError, match=r"one of the labels testset, trainset, got none.*#LABEL"):
        open_store(place)
    with pytest.raises(DataError, match="one of the labels testset, trainset, got 'valset'"):
        open_store(f"{place}#valset")
    folder = tmp_path / "pickles"
    convert(random_store(4), new_store(f"{folder}#trainset", "pickles"))
    convert(random_store(2, seed=1), new_store(f"{folder}#testset", "pickles"))
    assert_same(preloaded(open_store(f"{folder}#trainset")), random_store(4))
    assert_same(preloaded(open_store(f"{folder}#testset")), random_store(2, seed=1))
    with pytest.raises(DataError, match="expected no label beside 'testset'"):
        convert(random_store(2), new_store(f"{folder}#testset", "pickles", replace=True))


class Call:
    """What a stranger may put into a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickles_run_no_code_unless_they_are_trusted(tmp_path):
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(pickle.dumps([Call(tmp_path / "made")]))
    with pytest.raises(DataError, match=r"refuses to restore posix.mkdir.*--trust-pickles"):
        open_store(bad)
    assert not (tmp_path / "made").exists()
    open_store(bad, trust=True)
    assert (tmp_path / "made").is_dir()


def test_shared_memory_leaves_no_names_behind(tmp_path):
    store = shared(lambda: random_store(3), memory=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert_same(store, random_store(3))
    with pytest.raises(DataError, match="got nothing there"):
        shared(lambda: open_store(tmp_path / "no"), memory=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="expected room for a copy"):
        shared(lambda: store, memory=tmp_path / "no")


@pytest.fixture(scope="module")
def truth():
    with np.load(HYDRAGNN / "truth.npz") as arrays:
        samples = {}
        for name, array in arrays.items():
            number, _, field = name.partition("/")
            samples.setdefault(int(number), {})[field] = array
    return [samples[number] for number in range(len(samples))]


def assert_as_in_truth(store, expected):
    assert len(store) == len(expected)
    for index, fields in enumerate(expected):
        found = store[index]
        assert set(found.keys()) == set(fields)
        for name, value in fields.items():
            np.testing.assert_array_equal(found[name].numpy(), value)
            assert found[name].numpy().dtype == value.dtype


@pytest.mark.parametrize("place", ["serialized/sample-trainset.pkl", "pickle"])
def test_pickles_of_hydragnn_are_read(truth, place):
    store = open_store(HYDRAGNN / place)
    assert_as_in_truth(store, truth)
    assert store.attrs["minmax_node_feature"] == [[1.0], [8.0]]
    assert store.attrs["minmax_graph_feature"] == [[-2.0], [2.0]]
    assert not verify(HYDRAGNN / place)


def test_adios_files_of_hydragnn_are_read(truth):
    for label, part in (("trainset", truth[:6]), ("valset", truth[6:7]), ("testset", truth[7:])):
        store = open_store(f"{HYDRAGNN}/sample.bp#{label}")
        assert_as_in_truth(store, part)
        assert store.attrs["minmax_node_feature"] == [1.0, 8.0]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "place", ["serialized/sample-trainset.pkl", "pickle", "sample.bp#trainset"]
)
def test_stores_of_hydragnn_are_converted(tmp_path, truth, kind, place):
    """All fields are the same; the edges of a graph are in order of their targets."""
    convert(open_store(f"{HYDRAGNN}/{place}"), new_store(tmp_path / "store", kind))
    store = open_store(tmp_path / "store")
    expected = []
    for fields in truth[: len(store)]:
        order = np.argsort(fields["edge_index"][1], kind="stable")
        edges = {
            "edge_index": fields["edge_index"][:, order],
            "edge_attr": fields["edge_attr"][order],
        }
        expected.append(fields | edges)
    assert_as_in_truth(store, expected)


def test_what_lies_on_disk_is_read_in_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    store = random_store(40)
    convert(store, new_store(tmp_path / "s.bp"))
    opened = AdiosStore(tmp_path / "s.bp")
    chunks = [np.random.default_rng(n).permutation(40)[:9] for n in range(60)]
    with ThreadPoolExecutor(4) as pool:
        for ids, found in zip(chunks, pool.map(opened.subset, chunks), strict=True):
            assert_same(found, store.subset(ids))


def share_on_a_rank(folder, _world):
    """One copy for all ranks: the files behind the columns are the same, and have no names."""
    memory = folder / "memory"
    store = shared(lambda: random_store(5), memory=memory)
    assert_same(store, random_store(5))
    collectives.barrier()
    maps = Path("/proc/self/maps").read_text().splitlines()
    inodes = sorted({line.split()[4] for line in maps if str(memory) in line})
    try:
        shared(lambda: open_store(folder / "nothing"), memory=memory)
    except DataError as err:
        collectives.barrier()  # the leader has cleared away
        return inodes, [path.name for path in memory.iterdir()], str(err)
    return None


def test_ranks_of_a_node_share_one_copy(tmp_path):
    (tmp_path / "memory").mkdir()
    one, two = on_ranks(2, f"{__name__}:share_on_a_rank", tmp_path)
    inodes, left, said = one
    assert len(inodes) >= 8
    assert two == one
    assert left == []
    assert "nothing: expected a store" in said
