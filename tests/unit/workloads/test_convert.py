"""Checkpoints of HydraGNN become runs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from ase.io import write

from hydria.cli.main import run as hydria
from hydria.config.spec import ModelSpec
from hydria.core.errors import CheckpointError, ConfigError, HydriaError
from hydria.models import build_model
from hydria.models.registry import ARCHITECTURES
from hydria.models.upstream import convert_state, differences
from hydria.potential import HydriaCalculator
from hydria.train import checkpoint as checkpoints
from hydria.workloads.property.convert import _attributes, convert_hydragnn
from hydria.workloads.property.unseen import predict_unseen
from tests.support.models import make_model, make_spec
from tests.support.upstream import FOLDER, Reference, potential_names


def upstream_files(folder: Path, name: str, **changes: Any) -> tuple[Path, Path]:
    """The checkpoint of a reference, wrapped and in double precision, and its config."""
    reference = Reference(name)
    state = {f"module.{key}": value for key, value in reference.under("state/").items()}
    weights, config = folder / f"{name}.pk", folder / "config.json"
    torch.save({"model_state_dict": state, "optimizer_state_dict": {}}, weights)
    tree = json.loads((FOLDER / f"{name}.json").read_text())
    tree["NeuralNetwork"]["Training"] |= {"precision": "fp64", **changes}
    config.write_text(json.dumps(tree))
    return weights, config


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_model_of_the_run_gives_upstreams_outputs(tmp_path: Path, name: str) -> None:
    weights, config = upstream_files(tmp_path, name)
    run_dir = tmp_path / "run"
    done = convert_hydragnn(weights, config, run_dir, tmp_path / "data")
    assert not done.measured
    state = checkpoints.load(checkpoints.best(run_dir))
    spec = ModelSpec.model_validate_json((run_dir / "spec.json").read_bytes())
    assert state["facts"] == spec.facts
    model = build_model(spec)
    model.load_state_dict(state["model"])
    reference = Reference(name)
    for case in reference.cases:
        outputs = model.eval()(reference.batch(case))
        for output, kind in zip(outputs, ("graph", "node"), strict=True):
            expected = reference.arrays[f"out/{case}/{kind}"]
            assert float((output - expected).detach().abs().max()) < 1e-9


@pytest.mark.parametrize("name", potential_names())
def test_a_converted_potential_gives_upstreams_forces(tmp_path: Path, name: str) -> None:
    weights, config = upstream_files(tmp_path, f"mlip_{name}")
    tree = json.loads(config.read_text())
    tree["Dataset"] = {
        "format": "extxyz",
        "node_features": {"name": ["atomic_numbers", "forces"], "dim": [1, 3]},
        "graph_features": {"name": ["energy"]},
        "normalize_features": False,
    }
    config.write_text(json.dumps(tree))
    convert_hydragnn(weights, config, tmp_path / "run", tmp_path / "data")
    reference = Reference(f"mlip_{name}")
    calculator = HydriaCalculator(tmp_path / "run")
    batch = reference.batch("cluster")
    energy, forces, _ = calculator.evaluator(batch, with_stress=False)
    assert float((energy - reference.arrays["out/cluster/energy"]).abs().max()) < 1e-9
    assert float((forces - reference.arrays["out/cluster/forces"]).abs().max()) < 1e-9


def test_structures_can_be_predicted_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, config = upstream_files(tmp_path, "PAINN")
    tree = json.loads(config.read_text())
    columns = tree["NeuralNetwork"]["Architecture"]["input_dim"]
    names = ["numbers", *(f"feature{i}" for i in range(1, columns))]
    tree["Dataset"] = {
        "name": "made",
        "format": "extxyz",
        "node_features": {"name": [*names, "charge"], "dim": [1] * columns + [2]},
        "graph_features": {"name": ["energy"], "dim": [1]},
        "normalize_features": False,
    }
    variables = tree["NeuralNetwork"]["Variables_of_interest"]
    variables |= {"input_node_features": list(range(columns)), "output_index": [0, columns]}
    dims = tree["NeuralNetwork"]["Architecture"]["output_dim"]
    tree["Dataset"]["graph_features"]["dim"] = [dims[0]]
    tree["Dataset"]["node_features"]["dim"][-1] = dims[1]
    config.write_text(json.dumps(tree))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^0$"):
        hydria(["checkpoint", "convert", "--from", "hydragnn", str(weights), "config.json"])
    assert "hydria predict runs/PAINN --input" in capsys.readouterr().out
    atoms = Atoms("Cu4", positions=[[0, 0, 0], [0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]])
    atoms.set_cell([3.6] * 3)
    atoms.pbc = True
    for name in names[1:]:
        atoms.arrays[name] = torch.rand(4).numpy()
    write("unseen.extxyz", atoms)
    found = predict_unseen(Path("runs/PAINN"), [Path("unseen.extxyz")], Path("data"), {})
    assert [table.prediction.shape for table in found.tables] == [(1, dims[0]), (4, dims[1])]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must never run",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"model_state_dict": Evil()}), "tensors and plain containers"),
        (b"no pickle", "tensors and plain containers"),
        (None, "nothing there"),
    ],
)
def test_what_is_no_checkpoint_is_refused_unexecuted(
    tmp_path: Path, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, config = upstream_files(tmp_path, "PNA")
    weights = tmp_path / "other.pk"
    if content is not None:
        weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        convert_hydragnn(weights, config, tmp_path / "run", tmp_path)
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "run").exists()


def test_weights_of_another_config_are_refused(tmp_path: Path) -> None:
    weights, config = upstream_files(tmp_path, "PNA")
    tree = json.loads(config.read_text())
    tree["NeuralNetwork"]["Architecture"]["hidden_dim"] = 20
    config.write_text(json.dumps(tree))
    with pytest.raises(CheckpointError, match="is it the config of that run"):
        convert_hydragnn(weights, config, tmp_path / "run", tmp_path)


def test_facts_of_the_data_must_be_somewhere(tmp_path: Path) -> None:
    weights, config = upstream_files(tmp_path, "PNA")
    tree = json.loads(config.read_text())
    del tree["NeuralNetwork"]["Architecture"]["input_dim"]
    config.write_text(json.dumps(tree))
    with pytest.raises(ConfigError, match=r"Architecture\.input_dim: .*--data"):
        convert_hydragnn(weights, config, tmp_path / "run", tmp_path)


def test_a_run_is_replaced_only_by_force(tmp_path: Path) -> None:
    weights, config = upstream_files(tmp_path, "GIN")
    convert_hydragnn(weights, config, tmp_path / "run", tmp_path)
    with pytest.raises(HydriaError, match="finished run"):
        convert_hydragnn(weights, config, tmp_path / "run", tmp_path)
    convert_hydragnn(weights, config, tmp_path / "run", tmp_path, force=True)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("SchNet", {"periodic_boundary_conditions": True}, ["saw no periodic images"]),
        ("DimeNet", {"periodic_boundary_conditions": True}, ["images of itself"]),
        ("SchNet", {}, []),
        ("PNA", {"periodic_boundary_conditions": True}, []),
        ("PNA", {"node_head": "conv"}, ["what conv heads predict"]),
    ],
)
def test_what_differs_on_purpose_is_said(
    name: str, options: dict[str, Any], said: list[str]
) -> None:
    found = differences(make_spec(name, **options))
    assert len(found) == len(said)
    assert all(words in text for words, text in zip(said, found, strict=True))


@pytest.mark.parametrize("mode", ["concat_node", "film", "fuse_pool"])
def test_weights_of_attention_and_conditioning_find_their_places(mode: str) -> None:
    spec = make_spec(
        "GIN",
        global_attn_engine="GPS",
        global_attn_heads=2,
        pe_dim=3,
        use_graph_attr_conditioning=True,
        graph_attr_conditioning_mode=mode,
    )
    spec = spec.model_copy(update={"graph_attr_dim": 2})
    ours = make_model(spec).state_dict()
    renamed = {convert_back(name): value for name, value in ours.items()}
    converted = convert_state(renamed, spec)
    assert converted.keys() == ours.keys()
    assert all(torch.equal(converted[name], value) for name, value in ours.items())


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("graph_conditioner.0.weight", 3),
        ("module.graph_concat_projector.weight", 11),
        ("graph_pool_projector.0.weight", 11),
        ("node_emb.weight", 3),
    ],
)
def test_weights_tell_how_many_attributes_graphs_have(name: str, columns: int) -> None:
    state = {"other": torch.zeros(2), name: torch.zeros(8, columns)}
    assert _attributes(state) == (0 if name == "node_emb.weight" else 3)


def convert_back(name: str) -> str:
    """Upstream's name of one of our weights of GIN with options."""
    renames = {
        "encodings.position": "pos_emb", "encodings.node": "node_emb", "encodings.join": "node_lin",
        "attention.in_proj.": "attn.in_proj_", "attention.out_proj": "attn.out_proj",
        "norms.0": "norm1.module", "norms.1": "norm2.module", "norms.2": "norm3.module",
        "conditionings.8.network": "graph_conditioner",
        "conditionings.8.join": "graph_concat_projector",
        "outputs.graph.branch-0.fuse.layers": "graph_pool_projector",
        "outputs.graph.branch-0.shared": "graph_shared.branch-0",
    }  # fmt: skip
    if name.startswith("norms."):
        _, number, rest = name.split(".")
        return f"feature_layers.{number}.module.{rest}"
    if name.startswith("convs."):
        _, number, rest = name.split(".", 2)
        return f"graph_convs.{number}.conv.module_0.{rest.replace('mlp', 'nn')}"
    for head, kind, tail in (("0", "graph", ""), ("1", "node", "mlp.0.")):
        name = name.replace(
            f"outputs.{kind}.branch-0.heads.{head}.", f"heads_NN.{head}.branch-0.{tail}"
        )
    for ours, theirs in renames.items():
        name = name.replace(ours, theirs)
    return name.replace("attentions.", "graph_convs.")
