"""Tasks and results of property regression."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from hydria.config import load_config
from hydria.config.spec import HeadSpec
from hydria.core.errors import ConfigError, HydriaError, LaunchError
from hydria.data.prepare import build
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from hydria.workloads.graphs import global_batch_size
from hydria.workloads.property.results import Collector, HeadTable, score, write_predictions
from hydria.workloads.property.task import PropertyTask
from hydria.workloads.registry import WORKLOADS, load_workload
from tests.support.runs import make_tree

CPU = torch.device("cpu")
ONE = World(Ranks(), CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("property")


def make_task(folder: Path, world: World = ONE, **training: Any) -> PropertyTask:
    config = load_config(make_tree(folder / "raw", **training)).config
    return PropertyTask(config, build(config, folder), world, Environment())


# --- workloads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_says_what_its_batch_size_means(name: str) -> None:
    assert load_workload(name).batch_size_means


def test_unknown_workload_names_the_nearest() -> None:
    with pytest.raises(HydriaError, match="did you mean 'property'"):
        load_workload("proprty")


# --- the task -----------------------------------------------------------------------------------


def test_counts_are_the_elements_of_each_head(folder: Path) -> None:
    task = make_task(folder)
    part = next(iter(task.batches(task.order(0))))
    rows = [part.batch[f"y.{name}"].numel() for name in task.terms]
    assert task.counts(part.ids).tolist() == rows


def test_parts_of_all_ranks_are_the_global_batch(folder: Path) -> None:
    tasks = [
        make_task(folder, World(Ranks(rank, 3, rank, 3), CPU), global_batch_size=5)
        for rank in range(3)
    ]
    for ids in tasks[0].order(4):
        parts = [next(iter(task.batches([ids]))).ids for task in tasks]
        assert np.array_equal(np.concatenate(parts), ids)


def test_loss_sums_are_those_of_the_formula(folder: Path) -> None:
    task = make_task(folder)
    part = next(iter(task.batches(task.order(0))))
    outputs = task.model(part.batch)
    expected = [
        (output - part.batch[f"y.{name}"]).square().sum()
        for name, output in zip(task.terms, outputs, strict=True)
    ]
    torch.testing.assert_close(task.loss_sums(outputs, part.batch), torch.stack(expected))
    assert task.weights.sum() == pytest.approx(1)


def test_same_seed_same_model(folder: Path) -> None:
    one, two = make_task(folder, seed=3).model, make_task(folder, seed=3).model
    other = make_task(folder, seed=4).model
    pairs = list(zip(one.parameters(), two.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not all(
        torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize(("size", "expected"), [(None, 20), (7, 7)])
def test_batch_size_counts_per_rank(folder: Path, size: int | None, expected: int) -> None:
    config = load_config(make_tree(folder / "raw", global_batch_size=size)).config
    assert global_batch_size(config, 100, World(Ranks(0, 4, 0, 4), CPU)) == expected


def test_too_many_ranks_are_refused(folder: Path) -> None:
    config = load_config(make_tree(folder / "raw")).config
    with pytest.raises(LaunchError, match="expected at most 26 ranks, one for each"):
        global_batch_size(config, 26, World(Ranks(0, 27, 0, 27, 0, "Slurm"), CPU))


def test_global_batch_needs_a_graph_for_each_rank(folder: Path) -> None:
    config = load_config(make_tree(folder / "raw", global_batch_size=3)).config
    with pytest.raises(ConfigError, match="global_batch_size: expected at least 4"):
        global_batch_size(config, 26, World(Ranks(0, 4, 0, 4), CPU))


# --- results ------------------------------------------------------------------------------------


def test_predictions_come_in_the_order_of_samples_and_in_units(folder: Path) -> None:
    task = make_task(folder)
    collector = Collector(task.spec.heads)
    for part in task.batches(task.order(0)):
        collector([part.batch[f"y.{name}"] for name in task.terms], part)
    tables = {
        in_units: {table.name: table for table in collector.gathered(task.store.attrs, in_units)}
        for in_units in (True, False)
    }
    energy, scaled = (tables[in_units]["free_energy"] for in_units in (True, False))
    train = task.prepared.splits["train"]
    assert np.array_equal(energy.sample, train)
    assert np.array_equal(scaled.target, task.store.graph["y.free_energy"][train].astype(float))
    assert energy.unit == "Ry/atom"
    assert scaled.unit == ""
    assert ((scaled.target >= 0) & (scaled.target <= 1)).all()
    assert (energy.target < -1).all()
    moments = tables[True]["magnetic_moment"]
    assert moments.node[:7].tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert score(energy) == {
        "mae": 0.0, "rmse": 0.0, "r2": 1.0, "n": 26, "kind": "graph", "unit": "Ry/atom",
    }  # fmt: skip


def test_of_a_gaussian_head_the_mean_counts_and_the_deviation_is_kept(folder: Path) -> None:
    task = make_task(folder)
    collector = Collector(task.spec.heads)
    part = next(iter(task.batches(task.order(0))))
    targets = [part.batch[f"y.{name}"] for name in task.terms]
    roots = [torch.full_like(target, -0.25) for target in targets]
    collector([torch.cat(pair, 1) for pair in zip(targets, roots, strict=True)], part)
    scaled, in_units = (collector.gathered(task.store.attrs, units) for units in (False, True))
    for table, other in zip(scaled, in_units, strict=True):
        assert score(table)["mae"] == 0
        assert (table.deviation == 0.25).all()
        low, high, *_ = task.store.attrs["scales"][f"y.{table.name}"]
        np.testing.assert_allclose(other.deviation, 0.25 * (high - low))


TABLE = HeadTable(
    name="forces",
    kind="node",
    unit="eV/Å",
    sample=np.array([3, 3, 8]),
    node=np.array([0, 1, 0]),
    target=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    prediction=np.array([[1.0, 2.0], [3.0, 5.0], [5.0, 6.0]]),
)


def test_scores_are_over_all_elements() -> None:
    head = HeadSpec(name="forces", kind="node", dim=2, weight=1.0)
    assert score(replace(TABLE, kind=head.kind)) == {
        "mae": pytest.approx(1 / 6),
        "rmse": pytest.approx((1 / 6) ** 0.5),
        "r2": pytest.approx(1 - 1 / 16),
        "n": 6,
        "kind": "node",
        "unit": "eV/Å",
    }


def test_constant_targets_have_no_r2() -> None:
    assert score(replace(TABLE, target=np.ones((3, 2))))["r2"] is None


def test_table_is_long(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions" / "test.parquet", [TABLE])
    rows = pq.read_table(tmp_path / "predictions" / "test.parquet").to_pylist()
    assert len(rows) == 6
    assert rows[3] == {
        "head": "forces", "kind": "node", "sample": 3, "node": 1, "component": 1,
        "target": 4.0, "prediction": 5.0,
    }  # fmt: skip


def test_table_of_a_gaussian_head_has_deviations(tmp_path: Path) -> None:
    deviation = np.arange(6.0).reshape(3, 2)
    write_predictions(tmp_path / "test.parquet", [replace(TABLE, deviation=deviation)])
    assert pq.read_table(tmp_path / "test.parquet")["deviation"].to_pylist() == [*range(6)]
