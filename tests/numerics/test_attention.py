"""Global attention against torch's own, torch-geometric's layer, and twins from the papers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, GPSConv
from torch_geometric.transforms import AddLaplacianEigenvectorPE

from hydria.graph.laplacian import laplacian_encodings
from hydria.models.attention import GPSLayer
from hydria.models.registry import ARCHITECTURES
from hydria.models.state import NodeState
from hydria.models.upstream import convert_state, upstream_spec
from hydria.nn.attention import (
    ATTENTIONS,
    SMALLEST,
    MultiheadAttention,
    Padding,
    PerformerAttention,
)
from hydria.nn.edges import Edges
from hydria.nn.segments import Segments
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import make_batch, make_model, make_spec, with_encodings

SIZES = (4, 1, 0, 7)
WIDTH, HEADS = 8, 2
GPS = {"global_attn_engine": "GPS", "global_attn_heads": HEADS, "pe_dim": 3}


def graphs_of(sizes: tuple[int, ...] = SIZES) -> Segments:
    index = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.long))
    return Segments(index, len(sizes))


def features(rows: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64)


def test_multihead_equals_torchs_graph_by_graph() -> None:
    ours = MultiheadAttention(WIDTH, HEADS).double()
    nn.init.normal_(ours.in_proj.bias)
    nn.init.normal_(ours.out_proj.bias)
    oracle = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    state = {name.replace("in_proj.", "in_proj_"): v for name, v in ours.state_dict().items()}
    oracle.load_state_dict(state)
    x = features(sum(SIZES))
    found = ours(x, Padding(graphs_of())).split(SIZES)
    for part, output in zip(x.split(SIZES), found, strict=True):
        if len(part):
            expected = oracle(part, part, part, need_weights=False)[0]
            torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_graphs_of_a_batch_do_not_see_one_another(kind: str) -> None:
    layer = ATTENTIONS[kind](WIDTH, HEADS, 1000).double().eval()
    x = features(sum(SIZES)).requires_grad_()
    output = layer(x, Padding(graphs_of()))
    first = slice(0, SIZES[0])
    (gradient,) = torch.autograd.grad(output[first].square().sum(), x)
    assert bool((gradient[first] != 0).any(dim=1).all())
    assert bool((gradient[SIZES[0] :] == 0).all())
    alone = layer(x[first], Padding(graphs_of((SIZES[0],))))
    torch.testing.assert_close(alone, output[first], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_attention_takes_batches_without_nodes(kind: str) -> None:
    layer = ATTENTIONS[kind](WIDTH, HEADS, 1000).double()
    output = layer(features(0), Padding(graphs_of(())))
    assert output.shape == (0, WIDTH)
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_performer_equals_its_equations_node_by_node() -> None:
    layer = PerformerAttention(WIDTH, HEADS, 1000).double().eval()
    x = features(5)
    found = layer(x, Padding(graphs_of((5,))))
    query, key, value = layer.in_proj(x).view(5, 3, HEADS, -1).unbind(1)
    dim = WIDTH // HEADS
    joined = torch.zeros(5, HEADS, dim, dtype=torch.float64)
    for head in range(HEADS):
        for i in range(5):
            weights = [
                (_feature(layer, query[i, head]) * _feature(layer, key[j, head])).sum()
                for j in range(5)
            ]
            total = sum(weights)
            for j in range(5):
                joined[i, head] += weights[j] / total * value[j, head]
    # the small constant that keeps the normaliser positive
    torch.testing.assert_close(found, layer.out_proj(joined.flatten(1)), rtol=1e-3, atol=1e-4)
    assert SMALLEST <= 1e-6


def _feature(layer: PerformerAttention, u: Tensor) -> Tensor:
    scaled = u / len(u) ** 0.25
    return torch.exp(layer.directions.double() @ scaled - 0.5 * scaled @ scaled)


def test_performer_approaches_the_exact_attention_with_more_directions() -> None:
    exact = MultiheadAttention(WIDTH, HEADS).double()
    errors = []
    x = 0.5 * features(12)
    for number in (8, 4096):
        layer = PerformerAttention(WIDTH, HEADS, 1000).double().eval()
        layer.num_features = number
        layer.directions = layer._drawn(0, WIDTH // HEADS)
        layer.in_proj, layer.out_proj = exact.in_proj, exact.out_proj
        padding = Padding(graphs_of((12,)))
        errors.append(float((layer(x, padding) - exact(x, padding)).detach().abs().max()))
    assert errors[1] < 0.02
    assert errors[1] < errors[0]


def test_performer_with_relu_has_directions_of_unit_length() -> None:
    layer = ATTENTIONS["performer_relu"](WIDTH, HEADS, 1000)
    block = layer.directions[:64]
    identity = torch.eye(64, dtype=torch.float64)
    torch.testing.assert_close(block @ block.T, identity, rtol=0, atol=1e-10)


def test_performer_directions_are_orthogonal_and_as_long_as_normal_ones() -> None:
    layer = PerformerAttention(64, 4, 1000)
    block = layer.directions[:16]
    product = block @ block.T
    torch.testing.assert_close(product, torch.diag(product.diagonal()), rtol=0, atol=1e-10)
    assert layer.directions.norm(dim=1).square().mean() == pytest.approx(16, rel=0.25)


def test_performer_draws_anew_in_training_and_goes_on_from_a_state() -> None:
    torch.manual_seed(3)
    layer = PerformerAttention(WIDTH, HEADS, 3)
    padding, x = Padding(graphs_of((4,))), features(4).float()
    seen = []
    for _ in range(7):
        layer.train()(x, padding)
        layer.eval()(x, padding)
        seen.append(layer.directions.clone())
    same = [torch.equal(a, b) for a, b in pairwise(seen)]
    assert same == [True, False, True, True, False, True]
    other = PerformerAttention(WIDTH, HEADS, 3)
    other.load_state_dict(layer.state_dict())
    for _ in range(2):
        layer.train()(x, padding)
        other.train()(x, padding)
    assert torch.equal(layer.directions, other.directions)
    assert not torch.equal(layer.directions, seen[-1])


# HydraGNN's word → ours
KINDS = {"multihead": "multihead", "performer": "performer_relu"}


def gps_pair(kind: str) -> tuple[GPSLayer, GPSConv]:
    """Our layer with the converted weights of torch-geometric's, which HydraGNN has."""
    conv = GCNConv(WIDTH, WIDTH).double()
    oracle = GPSConv(WIDTH, conv, heads=HEADS, dropout=0.25, norm="batch_norm", attn_type=kind)
    oracle = oracle.double()
    with torch.no_grad():
        for parameter in oracle.parameters():
            parameter.normal_(std=0.3)
    spec = upstream_spec(make_spec("PNA", global_attn_type=kind, **GPS))
    assert spec.architecture.global_attn_type == KINDS[kind]
    state = {
        f"graph_convs.0.{name}": value
        for name, value in oracle.state_dict().items()
        if not name.startswith("conv.")
    }
    ours = GPSLayer(spec).double()
    converted = convert_state(state, spec)
    ours.load_state_dict({n.removeprefix("attentions.0."): v for n, v in converted.items()})
    return ours, oracle


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("kind", "sizes"), [("multihead", (4, 1, 7)), ("performer", (12,))])
def test_gps_layer_equals_torch_geometrics(
    kind: str, sizes: tuple[int, ...], training: bool
) -> None:
    """Its performer lets graphs of unequal sizes disturb one another: one graph for that."""
    ours, oracle = gps_pair(kind)
    for module in (ours, oracle):
        module.train(training)
    for module in (*ours.modules(), *oracle.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    oracle.dropout = 0.0
    graphs, x = graphs_of(sizes), features(12)
    edge_index = torch.tensor([[0, 1, 2, 6, 7, 8], [1, 2, 3, 7, 8, 5]])
    before, after = (NodeState(rows, None) for rows in (x, oracle.conv(x, edge_index)))
    output = ours(before, after, Padding(graphs), None).x
    expected = oracle(x, edge_index, graphs.index)
    torch.testing.assert_close(output, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_attention_joins_what_edges_do_not(name: str, kind: str) -> None:
    """Far atoms act on one another within a graph, never between graphs; batch = one by one."""
    model = make_model(make_spec(name, global_attn_type=kind, **GPS))
    structures = [make_crystal(1, rattle=0.1), make_cluster(5), make_cluster(1)]
    batch = with_encodings(make_batch(*structures), 3)
    batch = batch.replace(pe=batch.pe.requires_grad_())
    graph, node = model(batch)
    (gradient,) = torch.autograd.grad(node[0].square().sum(), batch.pe)
    assert bool((gradient[:4] != 0).any())
    assert bool((gradient[4:] == 0).all())
    singles = [model(with_encodings(make_batch(one), 3)) for one in structures]
    for joined, parts in zip((graph, node), zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(joined, torch.cat(parts), rtol=1e-9, atol=1e-9)


def test_far_atoms_see_one_another_only_through_attention() -> None:
    pair = make_cluster(2, spacing=30.0)
    for options, sees in (({}, False), ({**GPS, "pe_dim": 0}, True)):
        model = make_model(make_spec("SchNet", **options))
        batch = make_batch(pair)
        batch = batch.replace(x=batch.x.requires_grad_())
        (gradient,) = torch.autograd.grad(model(batch)[1][0].square().sum(), batch.x)
        assert bool((gradient[1] != 0).any()) == sees


@pytest.mark.parametrize("name", ["PAINN", "EGNN"])
def test_forces_through_attention_can_be_trained(name: str) -> None:
    options = {"equivariance": True} if name == "EGNN" else {}
    model = make_model(make_spec(name, **GPS, **options))
    batch = with_encodings(make_batch(make_cluster(5)), 3)

    def energy(pos: Tensor) -> Tensor:
        return model(batch.replace(pos=pos))[0]

    assert torch.autograd.gradgradcheck(energy, batch.pos.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("edge_features", [False, True])
def test_encodings_join_features_of_nodes_and_edges(edge_features: bool) -> None:
    spec = make_spec("PNA", edge_features=edge_features, global_attn_type="multihead", **GPS)
    model = make_model(spec)
    batch = with_encodings(make_batch(make_cluster(5)), 3)
    layers = model.encodings
    x, edges = layers(batch.x, Edges.of(batch, torch.float64), batch)
    for i in range(5):
        expected = layers.join(torch.cat([layers.node(batch.x[i]), layers.position(batch.pe[i])]))
        torch.testing.assert_close(x[i], expected)
    for edge, (j, i) in enumerate(batch.edge_index.T.tolist()):
        expected = layers.relative((batch.pe[i] - batch.pe[j]).abs())
        if edge_features:
            joined = torch.cat([layers.edge(batch.edge_attr[edge]), expected])
            expected = layers.edge_join(joined)
        torch.testing.assert_close(edges.features[edge], expected)


def test_encodings_are_torch_geometrics_up_to_the_sign() -> None:
    ends = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8, 3]])
    edge_index = torch.cat([ends, ends.flip(0)], dim=1)
    ptr = (np.array([0, 9]), np.array([0, edge_index.shape[1]]))
    ours = torch.as_tensor(laplacian_encodings(*ptr, *edge_index.numpy(), 4))
    transform = AddLaplacianEigenvectorPE(4, attr_name="pe", is_undirected=True)
    theirs = transform(Data(edge_index=edge_index, num_nodes=9)).pe.double()
    signs = torch.sign((ours * theirs).sum(0))
    torch.testing.assert_close(ours, theirs * signs, rtol=1e-5, atol=1e-5)


def test_encodings_are_eigenvectors_with_a_fixed_sign_and_zeros_where_there_are_none() -> None:
    source = np.array([0, 1, 1, 2, 0, 0], dtype=np.int32)
    target = np.array([1, 0, 2, 1, 1, 0], dtype=np.int32)  # a path, an edge twice, a loop
    ptr = np.array([0, 3, 4])
    found = laplacian_encodings(ptr, np.array([0, 6, 6]), source, target, 4)
    half = math.sqrt(0.5)
    expected = np.array([[half, 0.5], [0.0, -half], [-half, 0.5]])
    np.testing.assert_allclose(np.abs(found[:3, :2]), np.abs(expected), atol=1e-12)
    laplacian = np.array([[1, -half, 0], [-half, 1, -half], [0, -half, 1]])
    np.testing.assert_allclose(laplacian @ found[:3, :2], found[:3, :2] * [1.0, 2.0], atol=1e-12)
    assert (found[:3, :2].max(axis=0) >= -found[:3, :2].min(axis=0) - 1e-6).all()
    assert not found[:3, 2:].any()
    assert not found[3].any()
