"""Options of models from the config to a trained run: what they do to losses and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from hydria.config import load_config
from hydria.core.errors import ConfigError
from hydria.data.normalise import denormalise
from hydria.data.prepare import PreparedData, build
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from hydria.runtime.stop import StopRequest
from hydria.train.loop import Trainer
from hydria.train.records import read_records
from hydria.workloads.predict import predict
from hydria.workloads.property.task import PropertyTask
from hydria.workloads.trained import load_trained
from tests.support.raw_data import Tree, config_tree
from tests.support.runs import ONE_RANK, make_tree, run_here

ONE = World(Ranks(), torch.device("cpu"))
GPS = {
    "global_attn_engine": "GPS",
    "global_attn_type": "multihead",
    "global_attn_heads": 2,
    "pe_dim": 3,
}


def trained(tree: Tree, folder: Path, name: str = "run") -> tuple[Trainer, list[float]]:
    """The trainer after training, and the training loss of each epoch."""
    config = load_config(tree).config
    task = PropertyTask(config, build(config, folder), ONE, Environment())
    run_dir = folder / name
    run_dir.mkdir()
    settings = config.neural_network.training
    trainer = Trainer(task, settings, ONE, run_dir, StopRequest(run_dir), Environment())
    trainer.fit()
    return trainer, [record["train_loss"] for record in read_records(run_dir / "metrics.jsonl")]


def vectors_tree(folder: Path, **changes: Any) -> Tree:
    """Clusters in two folders: forces of springs, an energy, and a field as attribute."""
    rng = np.random.default_rng(0)
    for name, sign in (("soft", 1.0), ("hard", -1.0)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(10):
            pos = 2.0 * rng.permutation(np.indices((2, 2, 2)).reshape(3, -1).T)[:6]
            pos = pos + 0.3 * rng.normal(size=pos.shape)
            forces = sign * (pos.mean(0) - pos)
            atoms = Atoms("H6", positions=pos, info={"field": float(rng.random())})
            energy = sign * float(np.square(forces).sum())
            atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
            write(folder / name / f"{index}.extxyz", atoms)
    tree = config_tree(
        folder,
        format="extxyz",
        node_features={"name": ["numbers", "forces"], "dim": [1, 3]},
        graph_features={"name": ["energy", "field"]},
        **changes,
    )
    network = tree["NeuralNetwork"]
    network["Architecture"] |= {"mpnn_type": "PAINN", "radius": 4.0, "edge_features": []}
    network["Variables_of_interest"] |= {
        "output_names": ["energy", "forces"],
        "output_index": [0, 1],
        "type": ["graph", "node"],
    }
    network["Training"] |= {"num_epoch": 12, "batch_size": 4}
    network["Training"]["Optimizer"] = {"type": "AdamW", "learning_rate": 0.01}
    return tree


def prepared(tree: Tree, folder: Path) -> PreparedData:
    return build(load_config(tree).config, folder)


def test_recomputed_activations_give_equal_losses(tmp_path: Path) -> None:
    losses = [
        trained(
            make_tree(tmp_path / "raw", {"mpnn_type": "GAT", **GPS}, conv_checkpointing=on),
            tmp_path,
            f"recompute {on}",
        )[1]
        for on in (False, True)
    ]
    assert losses[0] == losses[1]


def test_predicted_deviations_are_as_large_as_the_errors(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "raw", loss_function_type="GaussianNLLLoss", num_epoch=30)
    tree["NeuralNetwork"]["Training"]["Optimizer"]["learning_rate"] = 0.01
    run_here(tree, tmp_path / "run")
    done = predict(tmp_path / "run", tmp_path / "data", ONE_RANK, split="train")
    table = pq.read_table(done.path)
    head, error, deviation = (
        table[name].to_numpy() for name in ("head", "prediction", "deviation")
    )
    error = error - table["target"].to_numpy()
    for name in set(head):
        chosen = head == name
        assert 0.5 < np.sqrt(np.square(error / deviation)[chosen].mean()) < 2.0, name


def test_frozen_convolutions_of_another_run_stay_while_heads_are_trained(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    run_here(make_tree(raw, num_epoch=2), tmp_path / "first")
    more = {"num_epoch": 1, "startfrom": "first", "continue": 1}
    tree = make_tree(raw, {"freeze_conv_layers": True, "task_weights": [3, 1, 1]}, **more)
    run_here(tree, tmp_path / "second")
    before, after = (
        load_trained(tmp_path / name).model.state_dict() for name in ("first", "second")
    )
    heads = [name for name in before if name.startswith("outputs.")]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name in before:
        if not name.endswith(statistics):
            assert torch.equal(before[name], after[name]) == (name not in heads), name


def test_learnt_weights_follow_the_losses(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "raw", uncertainty_weighting=True, num_epoch=40)
    tree["NeuralNetwork"]["Training"]["Optimizer"]["learning_rate"] = 0.02
    trainer, _ = trained(tree, tmp_path)
    found = trainer.stepper.model.balance.log_variances.detach()
    losses = torch.tensor(trainer.evaluate("train"))
    # where the sum is smallest the variance is the loss itself; steps lag behind
    assert bool(((found - losses.log()).abs() < losses.log().abs()).all())
    assert bool((found < 0).all())


def test_learnt_weights_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    trainer, _ = trained(make_tree(tmp_path / "raw", uncertainty_weighting=True), tmp_path)
    state = trainer.stepper.model.state_dict()
    assert "balance.log_variances" in state
    trained_ones = {id(p) for g in trainer.stepper.optimizer.param_groups for p in g["params"]}
    assert id(trainer.stepper.model.balance.log_variances) in trained_ones


def test_positional_encodings_are_prepared_for_global_attention_only(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "raw", GPS)
    with_attention = prepared(tree, tmp_path).store
    assert with_attention.node["pe"].shape == (38 * 6, 3)
    assert "pe" not in prepared(make_tree(tmp_path / "raw", {"pe_dim": 3}), tmp_path).store.node
    losses = trained(tree, tmp_path)[1]
    assert np.isfinite(losses).all()


def test_each_data_set_trains_its_branch(tmp_path: Path) -> None:
    tree = vectors_tree(tmp_path / "raw", branches={"soft": "branch-0", "*": "branch-1"})
    heads = tree["NeuralNetwork"]["Architecture"]["output_heads"]
    for kind, head in heads.items():
        heads[kind] = [{"type": f"branch-{n}", "architecture": head} for n in (0, 1)]
    store = prepared(tree, tmp_path).store
    names = store.graph["dataset_name"].ravel()
    assert names.tolist() == [1] * 10 + [0] * 10  # hard comes before soft
    trainer, losses = trained(tree, tmp_path)
    one_branch = vectors_tree(tmp_path / "raw")
    # the same structures with opposite targets: only branches can tell them apart
    assert losses[-1] < 0.5 * trained(one_branch, tmp_path, "one")[1][-1]
    assert len(trainer.stepper.model.outputs.node) == 2


def test_branches_without_a_map_are_refused(tmp_path: Path) -> None:
    tree = vectors_tree(tmp_path / "raw")
    heads = tree["NeuralNetwork"]["Architecture"]["output_heads"]
    heads["graph"] = [{"type": f"branch-{n}", "architecture": heads["graph"]} for n in (0, 1)]
    with pytest.raises(ConfigError, match=r"Dataset\.branches: expected the branch of each"):
        load_config(tree)
    tree["Dataset"]["branches"] = {"*": "branch-7"}
    with pytest.raises(ConfigError, match=r"expected one of branch-0, branch-1"):
        load_config(tree)


def test_vectors_keep_their_zero_on_their_scale(tmp_path: Path) -> None:
    tree = vectors_tree(tmp_path / "raw")
    store = prepared(tree, tmp_path).store
    scaled = store.node["y.forces"]
    forces = denormalise(store.attrs, "y.forces", scaled)
    assert np.abs(scaled).max() == pytest.approx(1.0)
    np.testing.assert_allclose(forces / np.abs(forces).max(), scaled, atol=1e-6)
    tree["NeuralNetwork"]["Architecture"]["mpnn_type"] = "CGCNN"
    plain = prepared(tree, tmp_path).store.node["y.forces"]
    assert plain.min() == pytest.approx(0.0)


def test_attributes_of_graphs_come_from_features(tmp_path: Path) -> None:
    tree = vectors_tree(tmp_path / "raw")
    network = tree["NeuralNetwork"]
    network["Variables_of_interest"]["graph_attr_features"] = [1]
    network["Architecture"] |= {
        "use_graph_attr_conditioning": True,
        "graph_attr_conditioning_mode": "film",
    }
    found = prepared(tree, tmp_path)
    assert found.summary.graph_attr_dim == 1
    assert found.store.graph["graph_attr"].min() == 0.0
    assert found.store.graph["graph_attr"].max() == 1.0
    assert np.isfinite(trained(tree, tmp_path)[1]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph_attr_features": [5]}, r"graph_attr_features\[0\]: expected an index from 0 to 1"),
        ({"graph_attr_features": []}, "expected at least one index in Dataset.graph_features"),
    ],
)
def test_attributes_must_be_there(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    tree = vectors_tree(tmp_path / "raw")
    tree["NeuralNetwork"]["Variables_of_interest"] |= changes
    tree["NeuralNetwork"]["Architecture"]["use_graph_attr_conditioning"] = True
    with pytest.raises(ConfigError, match=message):
        load_config(tree)
