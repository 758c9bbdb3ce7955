"""A config that points at a store of any kind is prepared and trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from hydria.config import load_config
from hydria.core.errors import DataError
from hydria.data.prepare import prepare
from hydria.data.stores import WRITERS, convert, new_store
from hydria.data.stores.adios import BpWriter
from hydria.data.stores.samples import ListSource, SampleStore, preloaded
from hydria.scripting.runs import run_training
from tests.support.raw_data import config_tree
from tests.unit.data.test_store import assert_same

HYDRAGNN = Path(__file__).parent / "hydragnn_stores"


def structures(count=20, seed=0):
    """Chains of 4 to 7 atoms of two kinds; three features of atoms, one of structures."""
    made, rng = [], np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(4, 8))
        pos = np.c_[np.arange(n) * 2.5, rng.random((n, 2))]
        steps = torch.arange(n - 1)
        made.append(
            Data(
                x=torch.tensor(np.c_[rng.choice([26.0, 78.0], n), rng.random((n, 2))]),
                pos=torch.tensor(pos),
                edge_index=torch.stack([steps, steps + 1]),
                y=torch.tensor([[float(rng.random())]], dtype=torch.float64),
            )
        )
    return made


def config_for(path, **changes):
    tree = config_tree("raw", format="store", **changes)
    tree["Dataset"]["path"] = path
    tree["NeuralNetwork"]["Training"]["num_epoch"] = 1
    return tree


def prepared(path, root):
    return prepare(load_config(config_for(path)).config, root)


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_gives_the_same_graphs(tmp_path, kind):
    store = SampleStore(ListSource(structures(), {}))
    for one in ("folder", kind):
        convert(store, new_store(tmp_path / one, one, replace=True))
    expected = prepared({"total": str(tmp_path / "folder")}, tmp_path / "data")
    found = prepared({"total": str(tmp_path / kind)}, tmp_path / "other")
    assert_same(preloaded(found.store), preloaded(expected.store))
    assert found.summary == expected.summary


def test_sets_may_be_labels_of_one_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = structures()
    with BpWriter(tmp_path / "sets.bp") as writer:
        for label, part in (("a", samples[:12]), ("b", samples[12:16]), ("c", samples[16:])):
            writer.append(label, preloaded(SampleStore(ListSource(part, {}))))
    path = {"train": "sets.bp#a", "validate": "sets.bp#b", "test": "sets.bp#c"}
    found = prepared(path, tmp_path)
    assert [len(ids) for ids in found.splits.values()] == [12, 4, 4]
    run_training(config_for(path))
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "metrics.jsonl").is_file()
    with pytest.raises(DataError, match="one of the labels a, b, c, got 'd'"):
        prepared({**path, "test": "sets.bp#d"}, tmp_path)


def test_what_hydragnn_wrote_is_prepared_in_its_own_units(tmp_path):
    features = {
        "node_features": {"name": ["type"], "dim": [1], "column_index": [0]},
        "graph_features": {"name": ["energy"], "dim": [1], "column_index": [0]},
    }
    paths = {"train": "trainset", "validate": "valset", "test": "testset"}
    tree = config_for(
        {name: f"{HYDRAGNN}/sample.bp#{label}" for name, label in paths.items()}, **features
    )
    network = tree["NeuralNetwork"]
    network["Variables_of_interest"] |= {
        "input_node_features": [0], "output_names": ["energy"], "output_index": [0],
        "type": ["graph"],
    }  # fmt: skip
    network["Architecture"]["output_heads"].pop("node", None)
    network["Architecture"]["task_weights"] = [1.0]
    found = prepare(load_config(tree).config, tmp_path)
    assert [len(ids) for ids in found.splits.values()] == [6, 1, 1]
    # x holds 1 to 8 with the bounds (1, 8), so that they are 8 and more in units of their own
    assert found.summary.node_minmax["type"] == ((1 * 7 + 1,), (8 * 7 + 1,))
