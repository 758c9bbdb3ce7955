"""Layers against torch-geometric's, and against slow and plain twins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import CGConv as GeometricCGConv
from torch_geometric.nn import GATv2Conv
from torch_geometric.nn import GINConv as GeometricGINConv
from torch_geometric.nn import MFConv as GeometricMFConv
from torch_geometric.nn import PNAConv as GeometricPNAConv
from torch_geometric.nn import SAGEConv as GeometricSAGEConv
from torch_geometric.nn.aggr import DegreeScalerAggregation

from hydria.models.cgcnn.stack import CGConv
from hydria.models.gat.conv import GATConv
from hydria.models.gin.stack import GINConv
from hydria.models.mfc.stack import MFConv
from hydria.models.pna.conv import PNAConv
from hydria.models.pna.scalers import SCALERS, DegreeScalers
from hydria.models.pna.stack import SCALERS as PNA_SCALERS
from hydria.models.sage.stack import SAGEConv
from hydria.models.schnet.conv import CFConv
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from tests.support.graphs import make_crystal
from tests.support.models import CUTOFF, make_batch, make_model, make_spec

DEGREES = (1, 0, 3, 5, 2, 2)


def random_edges(edge_dim: int, *, self_loops: bool = True) -> Edges:
    """A multigraph of 7 nodes, the last of them isolated."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 6, (2, 18), generator=generator)
    ends = ends[:, ends[1].argsort(stable=True)]
    ends = ends if self_loops else ends[:, ends[0] != ends[1]]
    values = torch.randn(ends.shape[1], edge_dim, generator=generator, dtype=torch.float64)
    return Edges(ends, 7, values if edge_dim else None)


@pytest.mark.parametrize("edge_dim", [0, 1, 3])
def test_pna_layer_equals_torch_geometrics(edge_dim: int) -> None:
    scalers = list(SCALERS)
    ours = PNAConv(4, 6, edge_dim, len(scalers)).double()
    theirs = GeometricPNAConv(
        4, 6, ["mean", "min", "max", "std"], scalers, torch.tensor(DEGREES), edge_dim or None
    ).double()
    names = {"pre": "pre_nns.0.0", "post": "post_nns.0.0"}
    state = {
        ".".join([names.get(part, part) for part in name.split(".")]): value
        for name, value in ours.state_dict().items()
    }
    factors = DegreeScalers(DEGREES, scalers)
    state |= {f"aggr_module.{name}": value for name, value in factors.state_dict().items()}
    theirs.load_state_dict(state)
    edges = random_edges(edge_dim)
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    expected = theirs(x, torch.stack((edges.source, edges.target)), edges.features)
    output = ours(NodeState(x, None), edges, factors(edges)).x
    compare_with_gradients(output, expected, x)


@dataclass
class Pair:
    """One of our layers, torch-geometric's, and its names of our parameters."""

    ours: nn.Module
    theirs: nn.Module
    names: dict[str, str]
    edge_dim: int = 0
    geometry: Callable[[Edges], object] = lambda edges: None


def attention(edge_dim: int, concat: bool) -> Pair:
    options = {"negative_slope": 0.05, "dropout": 0.0, "concat": concat}
    theirs = GATv2Conv(4, 2, heads=3, edge_dim=edge_dim or None, **options)
    ours = GATConv(4, 6 if concat else 2, edge_dim, 3, **options)
    names = {"source": "lin_l", "target": "lin_r", "edge": "lin_edge", "attention": "att"}
    return Pair(ours, theirs, names, edge_dim)


def crystal_graph(edge_dim: int) -> Pair:
    names = {"gate": "lin_f", "core": "lin_s"}
    theirs = GeometricCGConv(4, edge_dim)
    return Pair(CGConv(4, 4, edge_dim), theirs, names, edge_dim, lambda edges: edges.features)


def isomorphism() -> Pair:
    layers = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6))
    return Pair(GINConv(4, 6), GeometricGINConv(layers, 100.0, train_eps=True), {"mlp": "nn"})


def sample() -> Pair:
    return Pair(SAGEConv(4, 6), GeometricSAGEConv(4, 6), {"neighbors": "lin_l", "own": "lin_r"})


PAIRS = {
    "gat-concat": attention(edge_dim=2, concat=True),
    "gat-mean": attention(edge_dim=0, concat=False),
    "cgcnn": crystal_graph(edge_dim=0),
    "cgcnn-features": crystal_graph(edge_dim=2),
    "gin": isomorphism(),
    "sage": sample(),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_layer_equals_torch_geometrics(pair: Pair) -> None:
    ours, theirs = pair.ours.double(), pair.theirs.double()
    state = {
        ".".join([pair.names.get(part, part) for part in name.split(".")]): value
        for name, value in ours.state_dict().items()
    }
    theirs.load_state_dict(state)
    edges = random_edges(pair.edge_dim, self_loops=False)
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    index = torch.stack((edges.source, edges.target))
    expected = theirs(x, index, *([edges.features] if pair.edge_dim else []))
    output = ours(NodeState(x, None), edges, pair.geometry(edges)).x
    compare_with_gradients(output, expected, x)


@pytest.mark.parametrize("max_degree", [2, 8])
def test_fingerprint_layer_equals_torch_geometrics(max_degree: int) -> None:
    ours = MFConv(4, 6, max_degree).double()
    theirs = GeometricMFConv(4, 6, max_degree).double()
    state = {}
    for degree in range(max_degree + 1):
        state[f"lins_l.{degree}.weight"] = ours.neighbors.weight[degree].T
        state[f"lins_l.{degree}.bias"] = ours.neighbors.bias[degree, 0]
        state[f"lins_r.{degree}.weight"] = ours.own.weight[degree].T
    theirs.load_state_dict(state)
    edges = random_edges(0)
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    expected = theirs(x, torch.stack((edges.source, edges.target)))
    output = ours(NodeState(x, None), edges, edges.by_target.counts.clamp_max(max_degree)).x
    compare_with_gradients(output, expected, x)


def compare_with_gradients(output: Tensor, expected: Tensor, x: Tensor) -> None:
    torch.testing.assert_close(output, expected, rtol=1e-13, atol=1e-12)
    weights = torch.linspace(-1, 1, expected.numel(), dtype=x.dtype).view_as(expected)
    (gradient,) = torch.autograd.grad((output * weights).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-11)


def test_attention_counts_images_of_the_node_itself() -> None:
    """They are neighbours like others; torch-geometric's layer takes them for self-loops."""
    layer = attention(edge_dim=0, concat=False).ours.double()
    x = torch.randn(2, 4, dtype=torch.float64)
    with torch.no_grad():
        layer.attention.zero_()  # equal weights
        edges = Edges(torch.tensor([[0, 0, 1], [0, 0, 0]]), 2)  # two images and node 1
        output = layer(NodeState(x, None), edges, None).x
        values = layer.source(x).view(2, 3, 2).mean(1)
    expected = (3 * values[0] + values[1]) / 4 + layer.bias
    torch.testing.assert_close(output[0], expected)


def schnet_by_hand(conv: CFConv, x: Tensor, pos: Tensor, images: Tensor, cutoff: float) -> Tensor:
    """Equations of Schütt et al. 2017, one pair and one periodic image at a time."""
    num_gaussians = conv.expand.in_features
    spacing = cutoff / (num_gaussians - 1)
    rows = []
    for i in range(len(x)):
        total = torch.zeros(conv.lin1.out_features, dtype=x.dtype)
        for j in range(len(x)):
            for image in images:
                distance = float(torch.linalg.vector_norm(pos[i] - pos[j] + image))
                if not 0 < distance < cutoff:
                    continue
                basis = torch.tensor(
                    [
                        math.exp(-((distance - k * spacing) ** 2) / (2 * spacing**2))
                        for k in range(num_gaussians)
                    ],
                    dtype=x.dtype,
                )
                hidden = conv.expand.weight @ basis + conv.expand.bias
                hidden = torch.log(0.5 * torch.exp(hidden) + 0.5)  # shifted softplus
                filters = conv.generate.weight @ hidden + conv.generate.bias
                fade = 0.5 * (math.cos(math.pi * distance / cutoff) + 1)
                total = total + (conv.lin1.weight @ x[j]) * filters * fade
        rows.append(conv.lin2.weight @ total + conv.lin2.bias)
    return torch.stack(rows)


def test_schnet_layer_equals_its_equations_on_a_crystal() -> None:
    model = make_model(make_spec("SchNet", num_gaussians=6, num_filters=5))
    crystal = make_crystal(repeat=1, rattle=0.1)
    batch = make_batch(crystal)
    edges = Edges.of(batch, torch.float64)
    steps = torch.arange(-2, 3, dtype=torch.float64)
    images = torch.cartesian_prod(steps, steps, steps) @ torch.as_tensor(crystal.cell)
    conv = model.convs[0]
    output = conv(NodeState(batch.x, None), edges, model.geometry(edges, batch.pos)).x
    expected = schnet_by_hand(conv, batch.x, batch.pos, images, model.cutoff)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("edge_features", [False, True])
def test_pna_plus_layer_equals_its_equations_on_a_crystal(edge_features: bool) -> None:
    spec = make_spec("PNAPlus", edge_features=edge_features)
    model, batch = make_model(spec), make_batch(make_crystal(repeat=1, rattle=0.2))
    conv, edges = model.convs[0], Edges.of(batch, torch.float64)
    frequencies = model.basis.frequencies
    messages = []
    for edge, (j, i) in enumerate(batch.edge_index.T.tolist()):
        vector = batch.pos[i] - batch.pos[j] + batch.edge_shifts[edge]
        d = vector.norm() / CUTOFF
        basis = torch.sin(frequencies * d) / d * (1 - 28 * d**6 + 48 * d**7 - 21 * d**8)
        feature = conv.embed(basis).relu()
        if edge_features:
            feature = conv.edge_encoder(torch.cat([batch.edge_attr[edge], feature]))
        seen = torch.cat([batch.x[i], batch.x[j], feature])
        messages.append((conv.pre.weight @ seen + conv.pre.bias) * (conv.filter.weight @ basis))
    aggregation = DegreeScalerAggregation(
        ["mean", "min", "max", "std"], list(PNA_SCALERS), torch.tensor(spec.pna_deg)
    ).double()
    ours, theirs = model.degrees.state_dict(), aggregation.state_dict()
    for average, value in theirs.items():  # made in single precision
        torch.testing.assert_close(ours[average], value, rtol=1e-6, atol=0)
    aggregation.load_state_dict(ours)
    gathered = aggregation(torch.stack(messages), batch.edge_index[1], dim_size=len(batch.x))
    joined = torch.cat([batch.x, gathered], dim=1)
    expected = conv.lin(functional.linear(joined, conv.post.weight, conv.post.bias))
    output = conv(NodeState(batch.x, None), edges, model.geometry(edges, batch.pos)).x
    torch.testing.assert_close(output, expected, rtol=1e-11, atol=1e-11)


def test_cgcnn_layer_equals_its_equations_on_a_crystal() -> None:
    model = make_model(make_spec("CGCNN", edge_features=True, num_gaussians=5))
    batch = make_batch(make_crystal(repeat=1, rattle=0.2))
    conv, edges = model.convs[0], Edges.of(batch, torch.float64)
    width, orders = CUTOFF / 4, torch.arange(5, dtype=torch.float64)
    x = conv.embed(batch.x)
    expected = x.clone()
    for edge, (j, i) in enumerate(batch.edge_index.T.tolist()):
        distance = (batch.pos[i] - batch.pos[j] + batch.edge_shifts[edge]).norm()
        gaussians = torch.exp(-0.5 * ((distance - width * orders) / width) ** 2)
        seen = torch.cat([x[i], x[j], batch.edge_attr[edge], gaussians])
        gate, core = (layer.weight @ seen + layer.bias for layer in (conv.gate, conv.core))
        expected[i] += gate.sigmoid() * functional.softplus(core)
    output = conv(NodeState(batch.x, None), edges, model.geometry(edges, batch.pos)).x
    torch.testing.assert_close(output, expected, rtol=1e-11, atol=1e-11)
