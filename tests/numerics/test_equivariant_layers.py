"""Vectors inside the equivariant architectures turn with the structure; layers equal the papers.

The twins below are written from the equations, one edge at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hydria.graph.batch import GraphBatch
from hydria.models.pna.scalers import SCALERS
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import CUTOFF, make_batch, make_model, make_spec

# architecture → options with which it has them
WITH_VECTORS: dict[str, dict[str, Any]] = {
    "EGNN": {"equivariance": True},
    "SchNet": {"equivariance": True},
    "PAINN": {},
    "PNAEq": {},
}
POSITIONS = frozenset({"EGNN", "SchNet"})


def turned(structure: Structure, turn: np.ndarray, shift: np.ndarray) -> Structure:
    cell = None if structure.cell is None else structure.cell @ turn
    return Structure(structure.numbers, structure.pos @ turn + shift, cell, structure.pbc)


def orthogonal(reflect: bool) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return q if (np.linalg.det(q) < 0) == reflect else -q


@pytest.mark.parametrize("reflect", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("structure", [make_crystal(1, rattle=0.2), make_cluster()])
@pytest.mark.parametrize("name", WITH_VECTORS)
def test_vectors_turn_with_the_structure(name: str, structure: Structure, reflect: bool) -> None:
    model = make_model(make_spec(name, num_conv_layers=3, **WITH_VECTORS[name]))
    turn, shift = orthogonal(reflect), np.array([0.4, -1.0, 2.0])
    before = model.encode(make_batch(structure)).nodes.equivariant
    after = model.encode(make_batch(turned(structure, turn, shift))).nodes.equivariant
    expected = torch.einsum("nx...,xy->ny...", before, torch.as_tensor(turn))
    moved = torch.as_tensor(structure.pos)
    if name in POSITIONS:
        expected = expected + torch.as_tensor(shift)
    else:
        moved = torch.zeros_like(before)
    assert float((before - moved).detach().abs().max()) > 1e-3
    torch.testing.assert_close(after, expected, rtol=1e-11, atol=1e-11)


def by_edge(batch: GraphBatch) -> list[tuple[int, int, int, Tensor]]:
    """(number, source j, target i, pos[i] - pos[j] over images) of each edge."""
    source, target = batch.edge_index.tolist()
    return [
        (edge, j, i, batch.pos[i] - batch.pos[j] + batch.edge_shifts[edge])
        for edge, (j, i) in enumerate(zip(source, target, strict=True))
    ]


def geometry_of(model: nn.Module, batch: GraphBatch) -> tuple[Edges, Any]:
    edges = Edges.of(batch, torch.float64)
    return edges, model.geometry(edges, batch.pos)


def test_egnn_layer_equals_its_equations_on_a_crystal() -> None:
    model = make_model(make_spec("EGNN", edge_features=True, equivariance=True))
    batch = make_batch(make_crystal(1, rattle=0.2))
    conv = model.convs[0]
    edges, geometry = geometry_of(model, batch)
    output = conv(NodeState(batch.x, batch.pos), edges, geometry)
    total = torch.zeros(len(batch.x), 8, dtype=torch.float64)
    steps: list[list[Tensor]] = [[] for _ in batch.x]
    for edge, j, i, vector in by_edge(batch):
        distance = vector.norm()
        seen = torch.cat([batch.x[i], batch.x[j], distance[None], batch.edge_attr[edge]])
        message = conv.second((conv.first.weight @ seen + conv.first.bias).relu()).relu()
        total[i] += message
        steps[i].append(-vector / (distance + 1) * conv.coord_mlp(message))
    pos = batch.pos + torch.stack([torch.stack(step).mean(0) for step in steps])
    x = conv.node_mlp(torch.cat([batch.x, total], dim=1))
    torch.testing.assert_close(output.x, x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(output.equivariant, pos, rtol=1e-12, atol=1e-12)


def test_schnet_layer_moves_positions_as_its_equations_say() -> None:
    model = make_model(make_spec("SchNet", edge_features=True, equivariance=True))
    batch = make_batch(make_crystal(1, rattle=0.2))
    conv = model.convs[0]
    edges, geometry = geometry_of(model, batch)
    output = conv(NodeState(batch.x, batch.pos), edges, geometry)
    total = torch.zeros(len(batch.x), 128, dtype=torch.float64)
    steps: list[list[Tensor]] = [[] for _ in batch.x]
    spacing = CUTOFF / 49
    centers = torch.arange(50, dtype=torch.float64) * spacing
    for edge, j, i, vector in by_edge(batch):
        distance = vector.norm()
        fade = 0.5 * (torch.cos(torch.pi * distance / CUTOFF) + 1)
        basis = torch.exp(-0.5 * ((distance - centers) / spacing) ** 2)
        hidden = conv.expand(basis) + conv.edge(batch.edge_attr[edge])
        hidden = torch.nn.functional.softplus(hidden) - np.log(2)
        filters = conv.generate(hidden) * fade
        total[i] += conv.lin1(batch.x[j]) * filters
        steps[i].append(-vector / (distance + 1) * conv.coord_mlp(filters))
    pos = batch.pos + torch.stack([torch.stack(step).mean(0) for step in steps])
    torch.testing.assert_close(output.x, conv.lin2(total), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(output.equivariant, pos, rtol=1e-12, atol=1e-12)


def painn_by_hand(conv: nn.Module, batch: GraphBatch, x: Tensor, v: Tensor) -> NodeState:
    """Message and update of Schütt et al. 2021; directions are divided by d once more."""
    message, update = conv.message, conv.update
    new_x, new_v = x.clone(), v.clone()
    n = torch.arange(1, message.filter.in_features + 1, dtype=torch.float64)
    for edge, j, i, vector in by_edge(batch):
        distance = vector.norm()
        basis = torch.sin(n * torch.pi * distance / CUTOFF) / distance
        fade = 0.5 * (torch.cos(torch.pi * distance / CUTOFF) + 1)
        filters = (message.filter.weight @ basis + message.filter.bias) * fade
        if message.edge_filter is not None:
            filters = filters * message.edge_filter(batch.edge_attr[edge])
        of_vectors, of_directions, of_scalars = (filters * message.scalars(x[j])).chunk(3)
        new_x[i] += of_scalars
        new_v[i] += v[j] * of_vectors - torch.outer(vector / distance**2, of_directions)
    rows = []
    for x_i, v_i in zip(new_x, new_v, strict=True):
        first, second = v_i @ update.first.weight.T, v_i @ update.second.weight.T
        gates = update.gates(torch.cat([second.norm(dim=0), x_i])).chunk(3)
        total = x_i + gates[1] * (first * second).sum(0) + gates[2]
        rows.append((total, v_i + gates[0] * first))
    scalars, vectors = (torch.stack(column) for column in zip(*rows, strict=True))
    return NodeState(conv.embed_scalars(scalars), conv.embed_vectors(vectors))


@pytest.mark.parametrize("edge_features", [False, True])
def test_painn_layer_equals_its_equations_on_a_crystal(edge_features: bool) -> None:
    model = make_model(make_spec("PAINN", edge_features=edge_features, num_conv_layers=3))
    batch = make_batch(make_crystal(1, rattle=0.2))
    x = torch.randn(len(batch.x), 8, dtype=torch.float64)
    vectors = torch.randn(len(x), 3, 8, dtype=torch.float64)
    edges, geometry = geometry_of(model, batch)
    output = model.convs[1](NodeState(x, vectors), edges, geometry)
    expected = painn_by_hand(model.convs[1], batch, x, vectors)
    torch.testing.assert_close(output.x, expected.x, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(output.equivariant, expected.equivariant, rtol=1e-11, atol=1e-12)


def pna_eq_by_hand(model: nn.Module, batch: GraphBatch, x: Tensor, v: Tensor) -> NodeState:
    """One layer after the model's first, edge by edge and node by node."""
    conv = model.convs[1]
    message = conv.message
    n = torch.arange(1, 7, dtype=torch.float64)
    scalars: list[list[Tensor]] = [[] for _ in x]
    new_v = v.clone()
    for edge, j, i, vector in by_edge(batch):
        distance = vector.norm()
        fade = 0.5 * (torch.cos(torch.pi * distance / CUTOFF) + 1)
        basis = torch.sin(n * torch.pi * distance / CUTOFF) / distance * fade
        seen = [x[i], x[j], torch.tanh(message.embed(basis))]
        if message.edge_encoder is not None:
            seen.append(message.edge_encoder(batch.edge_attr[edge]))
        joined = message.pre.weight @ torch.cat(seen) + message.pre.bias
        hidden = torch.nn.functional.silu(message.second(torch.tanh(message.first(joined))))
        parts = (message.third(hidden) * message.filter(basis)).chunk(3)
        new_v[i] += v[j] * parts[0] - torch.outer(vector / distance, parts[1])
        scalars[i].append(parts[2])
    rows = []
    for i, received in enumerate(scalars):
        values = torch.stack(received)
        std = values.var(0, correction=0).clamp_min(1e-5).sqrt()
        std = torch.where(std <= 1e-5**0.5, 0.0, std)
        four = torch.cat([values.mean(0), values.amin(0), values.amax(0), std])
        degree = torch.tensor(float(len(received)), dtype=torch.float64)
        means = (model.degrees.avg_deg_lin[0], model.degrees.avg_deg_log[0])
        scaled = [four * scaler(degree, degree, *means) for scaler in SCALERS.values()]
        rows.append(message.post.weight @ torch.cat([x[i], *scaled]) + message.post.bias)
    scalars_out, vectors = conv.update(x + torch.stack(rows), new_v)
    return NodeState(conv.embed_scalars(scalars_out), conv.embed_vectors(vectors))


@pytest.mark.parametrize("edge_features", [False, True])
def test_pna_eq_layer_equals_its_equations_on_a_crystal(edge_features: bool) -> None:
    model = make_model(make_spec("PNAEq", edge_features=edge_features, num_conv_layers=3))
    batch = make_batch(make_crystal(1, rattle=0.2))
    x = torch.randn(len(batch.x), 8, dtype=torch.float64)
    vectors = torch.randn(len(x), 3, 8, dtype=torch.float64)
    edges, geometry = geometry_of(model, batch)
    output = model.convs[1](NodeState(x, vectors), edges, geometry)
    expected = pna_eq_by_hand(model, batch, x, vectors)
    torch.testing.assert_close(output.x, expected.x, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(output.equivariant, expected.equivariant, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("reflect", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("structure", [make_crystal(1, rattle=0.2), make_cluster()])
def test_vectors_of_mace_turn_between_its_layers(structure: Structure, reflect: bool) -> None:
    model = make_model(make_spec("MACE", node_max_ell=1, max_ell=3, num_conv_layers=3))
    turn = orthogonal(reflect)
    states = model.encode_each(make_batch(structure))[1:3]
    after = model.encode_each(make_batch(turned(structure, turn, np.zeros(3))))[1:3]
    for state, state_turned in zip(states, after, strict=True):
        vectors = state.nodes.equivariant
        assert vectors.shape == (len(structure.numbers), 3, 8)
        assert float(vectors.detach().abs().max()) > 1e-2
        expected = torch.einsum("nxc,xy->nyc", vectors, torch.as_tensor(turn))
        found = state_turned.nodes.equivariant
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
