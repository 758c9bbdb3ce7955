"""From raw files to a store on disk: every format, every refusal, several callers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydria.config import load_config
from hydria.config.run import RunConfig
from hydria.core.errors import ConfigError, DataError, HydriaError
from hydria.data import prepare as preparing
from hydria.data.normalise import denormalise
from hydria.data.prepare import PreparedData, build, open_prepared, prepare, store_path
from hydria.graph.neighbors import radius_graph
from tests.support.raw_data import EDGE, RAW, config_tree, write_lsms

TIMEOUT_S = 120
CUBE = [[EDGE, 0, 0], [0, EDGE, 0], [0, 0, EDGE]]


def _config(tree: dict[str, Any], **architecture: Any) -> RunConfig:
    tree["NeuralNetwork"]["Architecture"].update(architecture)
    return load_config(tree).config


def _lsms(folder: Path, count: int = 12, **dataset: Any) -> dict[str, Any]:
    return config_tree(write_lsms(folder / "raw", count), **dataset)


@pytest.mark.parametrize("name", list(RAW))
def test_every_format_prepares(tmp_path: Path, name: str) -> None:
    config = _config(RAW[name](tmp_path))
    prepared = prepare(config, tmp_path / "data")
    variables = config.neural_network.variables_of_interest
    assert prepared.summary.num_train + prepared.summary.num_validation < len(prepared.store)
    batch = prepared.store.batch(prepared.splits["train"])
    assert batch.x.shape == (batch.num_nodes, prepared.summary.input_dim)
    for output, kind, dim in zip(
        variables.output_names, variables.type, prepared.summary.output_dim, strict=True
    ):
        rows = batch.num_graphs if kind == "graph" else batch.num_nodes
        target = batch[f"y.{output}"]
        assert target.shape == (rows, dim)
        assert target.isfinite().all()
    assert float(batch.x.min()) >= 0
    assert float(batch.x.max()) <= 1


def test_columns_hold_what_the_raw_files_say(tmp_path: Path) -> None:
    prepared = build(_config(_lsms(tmp_path)), tmp_path)
    lines = (tmp_path / "raw" / "structure_003.txt").read_text().splitlines()
    atoms = np.array([line.split() for line in lines[1:]], dtype=float)
    sample, attrs = prepared.store[3], prepared.store.attrs
    np.testing.assert_allclose(sample.pos, atoms[:, 2:5], rtol=1e-6)
    energy = denormalise(attrs, "y.free_energy", sample["y.free_energy"].numpy())
    assert energy.item() == pytest.approx(float(lines[0].split()[0]) / 8, rel=1e-6)
    charge = denormalise(attrs, "y.charge_density", sample["y.charge_density"].numpy())
    np.testing.assert_allclose(charge[:, 0], atoms[:, 5] - atoms[:, 0], atol=1e-6)
    assert attrs["units"]["y.free_energy"] == "Ry/atom"
    assert sample.z.tolist() == atoms[:, 0].astype(int).tolist()


@pytest.mark.parametrize("periodic", [False, True])
def test_edges_are_those_of_the_neighbour_list(tmp_path: Path, periodic: bool) -> None:
    tree = _lsms(tmp_path, lattice=CUBE)
    prepared = build(_config(tree, periodic_boundary_conditions=periodic), tmp_path)
    sample = prepared.store[5]
    cell = np.array(CUBE) if periodic else None
    edges = radius_graph(np.loadtxt(tmp_path / "raw/structure_005.txt", skiprows=1)[:, 2:5], cell,
                         cutoff=3.5)  # fmt: skip
    assert np.array_equal(sample.edge_index, edges.edge_index)
    np.testing.assert_allclose(sample.edge_attr[:, 0], edges.edge_len / 3.5, rtol=1e-6)
    assert ("edge_shifts" in prepared.store.edge) == periodic
    if periodic:
        np.testing.assert_allclose(sample.edge_shifts, edges.edge_shifts)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", np.float32), ("fp64", np.float64)])
def test_columns_have_the_precision_of_training(
    tmp_path: Path, precision: str, dtype: type
) -> None:
    tree = _lsms(tmp_path)
    tree["NeuralNetwork"]["Training"]["precision"] = precision
    store = build(load_config(tree).config, tmp_path).store
    assert {store.node["x"].dtype, store.edge["edge_attr"].dtype} == {np.dtype(dtype)}


def test_normalisation_reaches_the_range_that_was_asked_for(tmp_path: Path) -> None:
    tree = _lsms(tmp_path, normalization_range=[-1, 1])
    store = build(load_config(tree).config, tmp_path).store
    for column in (store.graph["y.free_energy"], store.node["y.charge_density"]):
        assert (column.min(), column.max()) == (-1, 1)


def test_without_normalisation_values_stay(tmp_path: Path) -> None:
    store = build(load_config(_lsms(tmp_path, normalize_features=False)).config, tmp_path).store
    assert set(np.unique(store.node["x"])) == {26, 78}
    assert store.attrs["scales"] == {}


def test_inputs_are_columns_counted_over_all_features(tmp_path: Path) -> None:
    tree = RAW["extxyz"](tmp_path)  # atomic number, then three columns of forces
    tree["NeuralNetwork"]["Variables_of_interest"]["input_node_features"] = [2, 0]
    store = build(load_config(tree).config, tmp_path).store
    assert np.array_equal(store.node["x"][:, 0], store.node["y.forces"][:, 1])
    assert set(np.unique(store.node["x"][:, 1])) == {0, 1}
    tree["NeuralNetwork"]["Variables_of_interest"]["input_node_features"] = [4]
    with pytest.raises(ConfigError, match=r"input_node_features\[0\]: .* 0 to 3 .* got 4"):
        load_config(tree)


def test_facts_are_those_of_the_training_set(tmp_path: Path) -> None:
    prepared = build(_config(_lsms(tmp_path)), tmp_path)
    summary = prepared.summary
    batch = prepared.store.batch(prepared.splits["train"])
    degrees = np.bincount(batch.edge_index[1].numpy(), minlength=batch.num_nodes)
    assert summary.pna_deg == tuple(np.bincount(degrees).tolist())
    assert summary.avg_num_neighbors == pytest.approx(degrees.mean())
    assert (summary.input_dim, summary.edge_dim, summary.output_dim) == (1, 1, (1, 1, 1))
    assert summary.num_nodes == 8
    assert summary.node_minmax["num_of_protons"] == ((26.0,), (78.0,))


def test_turning_to_principal_axes_changes_no_distance(tmp_path: Path) -> None:
    tree = _lsms(tmp_path, lattice=CUBE)
    tree["NeuralNetwork"]["Architecture"]["periodic_boundary_conditions"] = True
    plain = build(load_config(tree).config, tmp_path).store
    tree["Dataset"]["rotational_invariance"] = True
    turned = build(load_config(tree).config, tmp_path).store
    for index in (0, 7):
        one, other = plain[index], turned[index]
        moments = (other.pos.double().T @ other.pos.double()).numpy()
        off = moments - np.diag(np.diag(moments))
        assert np.abs(off).max() < 1e-4 * np.abs(moments).max()
        lengths = [np.sort(sample.edge_attr.numpy(), axis=0) for sample in (one, other)]
        np.testing.assert_allclose(*lengths, atol=1e-5)


def test_atoms_alone_and_atoms_with_too_many_neighbours_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_lsms(tmp_path / "raw", num_atoms=32)
    file = folder / "structure_002.txt"
    file.write_text(file.read_text() + "26 32 90.0 90.0 90.0 26.1 0.5\n")
    with caplog.at_level("WARNING", logger="hydria"):
        prepared = build(_config(config_tree(folder), max_neighbours=3), tmp_path)
    capped, isolated = (record.getMessage() for record in caplog.records)
    assert capped.startswith("max_neighbours: 12 of 12 structures have atoms with more than 3")
    assert isolated.startswith("radius: 1 atoms of 1 structures have no neighbour within 3.5 Å")
    assert "structure_002.txt" in isolated
    assert prepared.store[2].edge_index.max() < 32


def test_atoms_on_top_of_each_other_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_lsms(tmp_path / "raw")
    header, *atoms = (folder / "structure_004.txt").read_text().splitlines()
    (folder / "structure_004.txt").write_text("\n".join([header, *atoms, atoms[0]]))
    with caplog.at_level("WARNING", logger="hydria"):
        build(load_config(config_tree(folder)).config, tmp_path)
    assert "1 pairs of atoms are less than 0.1 Å apart (first in structure_004.txt)" in caplog.text


def test_given_files_are_the_sets(tmp_path: Path) -> None:
    tree = _lsms(tmp_path)
    paths = {}
    for name, count in (("train", 6), ("validate", 2), ("test", 3)):
        paths[name] = str(write_lsms(tmp_path / name, count))
    tree["Dataset"]["path"] = paths
    prepared = build(load_config(tree).config, tmp_path)
    assert {name: len(ids) for name, ids in prepared.splits.items()} == {
        "train": 6, "validate": 2, "test": 3,
    }  # fmt: skip


def test_compositions_are_spread_over_all_sets(tmp_path: Path) -> None:
    tree = _lsms(tmp_path, count=40, compositional_stratified_splitting=True)
    prepared = build(load_config(tree).config, tmp_path)
    heavy = np.add.reduceat(prepared.store.node["z"] == 78, prepared.store.node_ptr[:-1])
    for composition, count in zip(*np.unique(heavy, return_counts=True), strict=True):
        if count >= 3:
            assert all(composition in heavy[ids] for ids in prepared.splits.values())


def test_a_part_of_the_data_can_be_asked_for(tmp_path: Path) -> None:
    tree = _lsms(tmp_path, count=40)
    tree["NeuralNetwork"]["Variables_of_interest"]["subsample_percentage"] = 0.5
    prepared = build(load_config(tree).config, tmp_path)
    assert sum(len(ids) for ids in prepared.splits.values()) == 20


def test_paths_are_looked_for_below_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lsms(tmp_path / "root" / "raw")
    cell = f"{EDGE},0,0,0,{EDGE},0,0,0,{EDGE}"
    rows = [f"structure_{index:03d}.txt,{cell}" for index in range(12)]
    (tmp_path / "root" / "lattice.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    config = _config(config_tree("raw", lattice="lattice.csv"), periodic_boundary_conditions=True)
    assert len(build(config, tmp_path / "root").store) == 12
    with pytest.raises(DataError, match=r"Dataset\.path: expected raw data at raw, .*other"):
        build(config, tmp_path / "other")
    (tmp_path / "root" / "lattice.csv").unlink()
    with pytest.raises(DataError, match=r"Dataset\.lattice: .* nothing at lattice\.csv"):
        build(config, tmp_path / "root")


def test_data_of_the_catalogue_is_made_when_it_is_missing(tmp_path: Path) -> None:
    tree = config_tree(
        "dft_si/test.extxyz.xz",
        name="dft_si",
        format="extxyz",
        node_features={"name": ["numbers"]},
        graph_features={"name": ["energy_scaled_num_nodes"]},
    )
    tree["NeuralNetwork"]["Variables_of_interest"].update(
        output_names=["energy"], type=["graph"], output_index=[0]
    )
    prepared = prepare(load_config(tree).config, tmp_path)
    assert len(prepared.store) == 25
    assert (tmp_path / "dft_si" / "LICENSE").is_file()


def test_a_store_is_made_once_and_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(_lsms(tmp_path)).config
    first = prepare(config, tmp_path / "data")
    monkeypatch.setattr(preparing, "build", None)  # any further work would fail
    again = prepare(config, tmp_path / "data")
    assert isinstance(again.store.node["x"], np.memmap)
    assert _equal(first, again)
    assert _equal(first, open_prepared(config, tmp_path / "data"))


def _equal(one: PreparedData, other: PreparedData) -> bool:
    same_sets = all(np.array_equal(one.splits[name], other.splits[name]) for name in one.splits)
    columns = one.store.columns(), other.store.columns()
    same_columns = all(
        np.array_equal(column, columns[1][kind][name])
        for kind, named in columns[0].items()
        for name, column in named.items()
    )
    return same_sets and same_columns and one.summary == other.summary


@pytest.mark.parametrize(
    "override",
    ["NeuralNetwork.Training.seed=1", "NeuralNetwork.Architecture.radius=3",
     "Dataset.normalize_features=false", "NeuralNetwork.Training.precision=fp64"],
)  # fmt: skip
def test_what_matters_to_the_data_has_a_folder_of_its_own(tmp_path: Path, override: str) -> None:
    tree = _lsms(tmp_path)
    plain, other = load_config(tree).config, load_config(tree, [override]).config
    assert store_path(plain, tmp_path) != store_path(other, tmp_path)


def test_what_does_not_matter_shares_a_folder(tmp_path: Path) -> None:
    tree = _lsms(tmp_path)
    other = ["NeuralNetwork.Training.num_epoch=7", "NeuralNetwork.Architecture.hidden_dim=16"]
    plain, same = load_config(tree).config, load_config(tree, other).config
    assert store_path(plain, tmp_path) == store_path(same, tmp_path)


def test_changed_raw_data_is_prepared_again_and_missing_raw_data_is_not_needed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_config(_lsms(tmp_path)).config
    prepare(config, tmp_path / "data")
    write_lsms(tmp_path / "raw", count=14)
    with caplog.at_level("WARNING", logger="hydria"):
        assert len(prepare(config, tmp_path / "data").store) == 14
    assert "the raw data has changed" in caplog.text
    (tmp_path / "raw").rename(tmp_path / "elsewhere")
    assert len(prepare(config, tmp_path / "data").store) == 14


def test_a_failure_leaves_no_folder_and_an_old_one_as_it_was(tmp_path: Path) -> None:
    config = load_config(_lsms(tmp_path)).config
    prepare(config, tmp_path / "data")
    (tmp_path / "raw" / "structure_001.txt").write_text("cut")
    with pytest.raises(DataError, match=r"structure_001\.txt"):
        prepare(config, tmp_path / "data", force=True)
    stores = tmp_path / "data" / "stores"
    visible = [path for path in stores.iterdir() if path.suffix != ".lock"]
    assert visible == [store_path(config, tmp_path / "data")]
    assert len(open_prepared(config, tmp_path / "data").store) == 12


def test_a_missing_or_damaged_store_says_so(tmp_path: Path) -> None:
    config = load_config(_lsms(tmp_path)).config
    with pytest.raises(
        DataError, match=r"expected prepared data, got nothing there.*hydria prepare"
    ):
        open_prepared(config, tmp_path / "data")
    prepare(config, tmp_path / "data")
    (store_path(config, tmp_path / "data") / "splits.npz").write_bytes(b"PK broken")
    with pytest.raises(DataError, match="hydria prepare --force"):
        open_prepared(config, tmp_path / "data")
    assert len(prepare(config, tmp_path / "data", force=True).store) == 12


def test_callers_at_the_same_time_share_one_result(tmp_path: Path) -> None:
    config = load_config(_lsms(tmp_path)).config
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: prepare(config, tmp_path / "data"), range(4)))
    assert all(_equal(results[0], result) for result in results)
    assert len(list((tmp_path / "data" / "stores").glob("made-*"))) == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"Dataset": {"path": {"total": "gone"}}}, DataError, "expected raw data at gone"),
        (
            {"Architecture": {"periodic_boundary_conditions": True}},
            HydriaError,
            r"Dataset\.lattice",
        ),
        (
            {"Variables_of_interest": {"output_index": [1, 1, 2]}},
            ConfigError,
            r"output_index\[0\]: expected an index .* got 1",
        ),
        (
            {"Variables_of_interest": {"output_index": [0, 1, 3]}},
            ConfigError,
            r"output_index\[2\]: expected an index .* got 3",
        ),
        (
            {"Variables_of_interest": {"input_node_features": [0, 5]}},
            ConfigError,
            r"input_node_features\[1\]: expected an index .* got 5",
        ),
    ],
)
def test_config_and_data_that_do_not_fit(
    tmp_path: Path, changes: dict[str, Any], error: type[HydriaError], message: str
) -> None:
    tree = _lsms(tmp_path)
    for section, values in changes.items():
        (tree if section == "Dataset" else tree["NeuralNetwork"])[section].update(values)
    with pytest.raises(error, match=message):
        prepare(load_config(tree).config, tmp_path / "data")


def test_too_few_structures_for_three_sets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"perc_train: expected .* of 2 structures"):
        prepare(load_config(_lsms(tmp_path, count=2)).config, tmp_path / "data")


def _hydria(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hydria", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=os.environ | environment,
        check=False,
    )


def test_the_command_prints_what_it_made(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(_lsms(tmp_path)))
    done = _hydria("prepare", str(file), "NeuralNetwork.Training.seed=3", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "graphs  12 (train 8, validate 2, test 2)" in done.stdout
    assert "nodes   96 (8 a graph)" in done.stdout
    assert str(tmp_path / "stores" / "made-") in done.stdout


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(_lsms(tmp_path)))
    (tmp_path / "raw" / "README.md").write_text("# About\nthese files\n")
    done = _hydria("prepare", str(file), HYDRIA_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "README.md, line 1, column 0: expected a finite number, got '#'" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_sets_are_listed_and_made(tmp_path: Path) -> None:
    made = _hydria("data", "make", "dft_si", HYDRIA_DATA=str(tmp_path))
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "dft_si" / "train.extxyz.xz").is_file()
    listing = _hydria("data", "list", "--data", str(tmp_path)).stdout.splitlines()
    rows = {line.split()[0]: line.split()[1:3] for line in listing if line.strip()}
    assert rows["dft_si"] == ["make", "made"]
    assert rows["lsms"] == ["make", "no"]
    assert rows["mlearn_si"] == ["fetch", "no"]
