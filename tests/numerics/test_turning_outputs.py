"""Vectors and tensors that are predicted turn with the structure, for graphs and for nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hydria.config.architectures import ARCHITECTURES as OPTIONS
from hydria.config.spec import HeadSpec
from hydria.core.errors import ModelError
from hydria.models import build_model
from hydria.models.registry import ARCHITECTURES
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import HEADS, make_batch, make_model, make_spec

# options with which an architecture has vectors
NEEDS = {"EGNN": {"equivariance": True}, "SchNet": {"equivariance": True}}
SYMMETRIES = {"vector": 3, "tensor": 9}
# largest difference, relative to the largest output where that is above one
TOLERANCE = {torch.float64: 1e-10, torch.float32: 5e-5}


def with_vectors() -> list[str]:
    return [
        name
        for name in ARCHITECTURES
        if OPTIONS[name](mpnn_type=name, **NEEDS.get(name, {})).has_vectors
    ]


def model_of(name: str, *, node_head: str = "mlp", **options: Any) -> nn.Module:
    """A model with a vector and a tensor for the graph and for its nodes, and an energy."""
    heads = [HeadSpec(name="energy", kind="graph", dim=1, weight=0.2)] + [
        HeadSpec(name=f"{kind} {symmetry}", kind=kind, dim=dim, symmetry=symmetry, weight=0.2)
        for symmetry, dim in SYMMETRIES.items()
        for kind in ("graph", "node")
    ]
    spec = make_spec(name, node_head=node_head, num_nodes=4, **NEEDS.get(name, {}), **options)
    return make_model(spec.model_copy(update={"heads": tuple(heads)}))


def orthogonal(reflect: bool) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return q if (np.linalg.det(q) < 0) == reflect else -q


def turned(structure: Structure, turn: np.ndarray) -> Structure:
    cell = None if structure.cell is None else structure.cell @ turn
    pos = structure.pos @ turn + np.array([0.4, -1.0, 2.0])
    return Structure(structure.numbers, pos, cell, structure.pbc)


# of different degrees: equal ones make the steps of SchNet's atoms add up to zero
CHAIN = Structure(
    np.array([6, 8, 1, 6]),
    np.array([[0.0, 0.1, 0.0], [2.0, 0.0, 0.3], [3.8, 0.5, 0.0], [5.5, 0.2, 1.0]]),
    None,
    np.zeros(3, dtype=bool),
)
STRUCTURES = [
    pytest.param(make_crystal(1, rattle=0.3), id="crystal"),
    pytest.param(CHAIN, id="chain"),
]


@pytest.mark.parametrize("reflect", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("node_head", ["mlp", "mlp_per_node", "conv"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp64", "fp32"])
@pytest.mark.parametrize("name", with_vectors())
def test_outputs_turn_with_the_structure(
    name: str, dtype: torch.dtype, node_head: str, structure: Structure, reflect: bool
) -> None:
    model = model_of(name, node_head=node_head).to(dtype)
    turn, tolerance = orthogonal(reflect), TOLERANCE[dtype]
    energy, *before = model(make_batch(structure, dtype=dtype))
    again, *after = model(make_batch(turned(structure, turn), dtype=dtype))
    torch.testing.assert_close(again, energy, rtol=tolerance, atol=tolerance)
    by = torch.as_tensor(turn).to(dtype)
    for output, other, head in zip(before, after, model.spec.heads[1:], strict=True):
        scale = float(output.detach().abs().max())
        assert scale > 1e-6, head.name
        expected = output @ by if head.symmetry == "vector" else output
        if head.symmetry == "tensor":
            square = output.view(-1, 3, 3)
            torch.testing.assert_close(square, square.mT)
            expected = (by.T @ square @ by).flatten(1)
        difference = float((other - expected).detach().abs().max())
        assert difference < tolerance * max(scale, 1.0), head.name


@pytest.mark.parametrize("name", with_vectors())
def test_roots_of_variances_do_not_turn(name: str) -> None:
    model = model_of(name, gaussian_nll=True)
    turn = orthogonal(False)
    structure = make_cluster(4)
    before, after = (model(make_batch(one)) for one in (structure, turned(structure, turn)))
    for output, other, head in zip(before, after, model.spec.heads, strict=True):
        assert output.shape[1] == 2 * head.dim
        root, again = output[:, head.dim :], other[:, head.dim :]
        torch.testing.assert_close(root, again, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(root, root[:, :1].expand_as(root))


@pytest.mark.parametrize("name", with_vectors())
def test_every_parameter_of_turning_outputs_learns(name: str) -> None:
    model = model_of(name).train()
    outputs = model(make_batch(make_crystal(1, rattle=0.3), make_cluster(4)))
    sum(output.square().sum() for output in outputs).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_a_vector_is_the_weighted_sum_of_the_nodes_vectors() -> None:
    model = model_of("PAINN")
    batch = make_batch(make_crystal(1, rattle=0.3), make_cluster(4))
    outputs = model(batch)
    encoded = model.encode(batch)
    vectors: Tensor = encoded.nodes.equivariant
    weights = model.get_submodule("outputs.node.branch-0.heads.2")(encoded.nodes.x)
    for node in range(8):
        expected = sum(weights[node, c] * vectors[node, :, c] for c in range(8))
        torch.testing.assert_close(outputs[2][node], expected)
        gate = model.get_submodule("outputs.node.branch-0.heads.4")(encoded.nodes.x)[node]
        tensor = gate[8] * torch.eye(3, dtype=torch.float64) + sum(
            gate[c] * torch.outer(vectors[node, :, c], vectors[node, :, c]) for c in range(8)
        )
        torch.testing.assert_close(outputs[4][node].view(3, 3), tensor)


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - set(with_vectors())))
def test_invariant_architectures_refuse_them(name: str) -> None:
    heads = (HeadSpec(name="force", kind="node", dim=3, symmetry="vector", weight=1.0),)
    with pytest.raises(ModelError, match="no vectors"):
        build_model(make_spec(name).model_copy(update={"heads": heads}))


def test_branches_predict_vectors_too() -> None:
    branches = {
        kind: [{"type": f"branch-{n}", "architecture": head} for n in (0, 1)]
        for kind, head in HEADS.items()
    }
    model = model_of("EGNN", output_heads=branches)
    batch = make_batch(make_cluster(4), make_crystal(1), make_cluster(4, seed=3))
    names = torch.tensor([1, 0, 1])
    mixed = model(batch.replace(dataset_name=names))
    alone = [model(batch.replace(dataset_name=torch.full((3,), n))) for n in (0, 1)]
    for output, first, second in zip(mixed, *alone, strict=True):
        rows = names if len(output) == 3 else names[batch.batch]
        torch.testing.assert_close(output, torch.where(rows[:, None] == 1, second, first))


def test_every_layer_of_mace_says_something_of_vectors() -> None:
    model = model_of("MACE", num_conv_layers=3)
    batch = make_batch(CHAIN)
    before = model(batch)
    states = model.encode_each(batch)
    with torch.no_grad():
        model.get_submodule("outputs.linear.1.node.branch-0.heads.2").weight.add_(0.5)
    change = model(batch)[2] - before[2]
    vectors = states[1].nodes.equivariant[:, :3]
    expected = 0.5 * states[1].nodes.x.sum(1)[:, None] * vectors.sum(2)
    torch.testing.assert_close(change, expected)
    assert float(change.detach().abs().max()) > 1e-6
