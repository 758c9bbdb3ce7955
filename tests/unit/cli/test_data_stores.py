"""`hydria data convert` and `hydria data show`, as a person types them."""

from pathlib import Path

import numpy as np
import pytest

from hydria.cli.main import main
from hydria.data.stores import convert, new_store, open_store
from hydria.data.stores.facts import facts_about
from hydria.data.stores.samples import preloaded
from tests.support.graphs import random_store
from tests.unit.data.test_store import assert_same

HYDRAGNN = Path(__file__).parents[1] / "data" / "hydragnn_stores"


@pytest.fixture
def run(monkeypatch):
    """Type a command, get its exit code."""

    def typed(arguments):
        monkeypatch.setattr("sys.argv", ["hydria", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return typed


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_a_store_goes_through_every_kind_and_back(place, capsys, run):
    store = random_store(6)
    convert(store, new_store("start"))
    names = ["start", "a.bp", "b.pkl", "c", "d"]
    kinds = [[], [], [], ["--to", "pickles"], ["--to", "folder"]]
    for source, goal, kind in zip(names, names[1:], kinds[1:], strict=False):
        assert run(["data", "convert", source, goal, *kind]) == 0
        assert capsys.readouterr().out == f"6 graphs: {goal}\n"
    assert_same(preloaded(open_store("d")), store)


def test_what_goes_wrong_is_said_and_changes_nothing(place, capsys, run):
    convert(random_store(6), new_store("start"))
    convert(random_store(2), new_store("goal"))
    wrong = {
        ("start", "goal"): "expected no store there yet",
        ("nothing", "new"): "expected a store",
        ("start", "new", "--to", "zip"): "unknown kind of store 'zip'",
        ("start#train", "new"): "expected no label",
    }
    for arguments, message in wrong.items():
        assert run(["data", "convert", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert len(open_store("goal")) == 2
    assert run(["data", "convert", "start", "goal", "--force"]) == 0
    assert len(open_store("goal")) == 6
    assert sorted(path.name for path in place.iterdir()) == ["goal", "start"]


def test_show_prints_what_is_in_a_store(place, capsys, run):
    store = random_store(3, nodes=2, edges=5, units={"y.energy": "eV"})
    store = store.replace(
        node={"z": np.array([29, 79, 29, 29, 79, 79], dtype=np.int32)},
        graph={"y.energy": np.array([[-1.0], [0.0], [4.0]])},
    )
    convert(store, new_store("s"))
    assert run(["data", "show", "s", "--verify"]) == 0
    shown = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert shown["checksums:"][1:] == ["as", "written"]
    assert shown["graphs"] == ["graphs", "3"]
    assert shown["nodes"][1:5] == ["6,", "2", "to", "2"]
    assert shown["elements"] == ["elements", "Cu", "3,", "Au", "3"]
    assert shown["y.energy"] == ["y.energy", "graph", "float64", "1", "eV", "-1", "1", "4", "█",
                                 "█", "█"]  # fmt: skip
    assert run(["data", "show", f"{HYDRAGNN}/pickle", "--verify"]) == 0
    assert "checksums: none were written" in capsys.readouterr().out


def test_damage_is_named(place, capsys, run):
    convert(random_store(3), new_store("s"))
    file = place / "s" / "node.x.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert run(["data", "show", "s", "--verify"]) == 2
    assert "node.x.npy: x: expected rows 0 to" in capsys.readouterr().err


def test_neighbours_are_counted_over_pieces(place):
    convert(random_store(50), new_store("s.bp"))
    store = open_store("s.bp")
    facts = facts_about(store)
    whole = preloaded(store)
    target = whole.edge["edge_target"] + np.repeat(whole.node_ptr[:-1], np.diff(whole.edge_ptr))
    degrees = np.bincount(target, minlength=whole.node_ptr[-1])
    assert facts.neighbours == pytest.approx((degrees.min(), degrees.mean(), degrees.max()))
    assert facts.most_neighbours == (degrees == degrees.max()).sum()
    assert sum(facts.fields["pos"].histogram) == 3 * facts.nodes
