"""Attributes of graphs condition every architecture as the equations say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.graph.batch import GraphBatch
from hydria.models.registry import ARCHITECTURES
from hydria.models.state import NodeState
from hydria.models.upstream import convert_state, upstream_spec
from hydria.nn.conditioning import ConcatNode, FiLM, FusePool
from hydria.nn.segments import Segments
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import HEADS, make_batch, make_model, make_spec

MODES = ("concat_node", "film", "fuse_pool")
ATTRIBUTES = 3


def spec_of(name: str, mode: str, **options: Any) -> ModelSpec:
    spec = make_spec(
        name, use_graph_attr_conditioning=True, graph_attr_conditioning_mode=mode, **options
    )
    return spec.model_copy(update={"graph_attr_dim": ATTRIBUTES})


def model_of(name: str, mode: str) -> nn.Module:
    return make_model(spec_of(name, mode))


def batch_of() -> GraphBatch:
    batch = make_batch(make_crystal(1, rattle=0.1), make_cluster(5))
    attributes = torch.randn(2, ATTRIBUTES, dtype=torch.float64)
    return batch.replace(graph_attr=attributes.requires_grad_())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_attributes_act_on_their_own_graph_alone(name: str, mode: str) -> None:
    model, batch = model_of(name, mode), batch_of()
    graph, node = model(batch)
    (gradient,) = torch.autograd.grad(graph[0].sum(), batch.graph_attr, retain_graph=True)
    assert bool((gradient[0] != 0).all())
    assert bool((gradient[1] == 0).all())
    if mode == "fuse_pool":
        assert torch.autograd.grad(node.sum(), batch.graph_attr, allow_unused=True) == (None,)
        return
    (gradient,) = torch.autograd.grad(node[4:].square().sum(), batch.graph_attr)
    assert bool((gradient[1] != 0).all())
    assert bool((gradient[0] == 0).all())


@pytest.mark.parametrize("mode", MODES)
def test_branches_keep_the_attributes_of_their_graphs(mode: str) -> None:
    branches = {
        kind: [{"type": f"branch-{n}", "architecture": head} for n in (0, 1)]
        for kind, head in HEADS.items()
    }
    model = make_model(spec_of("PNA", mode, output_heads=branches))
    batch = batch_of()
    mixed = model(batch.replace(dataset_name=torch.tensor([1, 0])))[0]
    alone = [model(batch.replace(dataset_name=torch.full((2,), n)))[0] for n in (0, 1)]
    torch.testing.assert_close(mixed, torch.stack([alone[1][0], alone[0][1]]))


def rows() -> tuple[Tensor, Tensor, Segments]:
    x = torch.randn(5, 4, dtype=torch.float64)
    return x, torch.randn(2, 3, dtype=torch.float64), Segments(torch.tensor([0, 0, 1, 1, 1]), 2)


def test_concatenation_is_a_linear_layer_over_node_and_graph() -> None:
    x, attributes, graphs = rows()
    layer = ConcatNode(4, 3, nn.SiLU()).double()
    expected = layer.join(torch.cat([x, attributes[graphs.index]], dim=1))
    torch.testing.assert_close(layer(x, attributes, graphs), expected)


def test_film_scales_and_shifts_each_channel() -> None:
    x, attributes, graphs = rows()
    layer = FiLM(4, 3, nn.SiLU()).double()
    for node, graph in enumerate(graphs.index.tolist()):
        scale, shift = layer.network(attributes[graph]).chunk(2)
        expected = x[node] * (1 + scale.tanh()) + shift
        torch.testing.assert_close(layer(x, attributes, graphs)[node], expected)


def test_fusion_sees_pooled_features_and_attributes() -> None:
    _, attributes, _ = rows()
    pooled = torch.randn(2, 4, dtype=torch.float64)
    layer = FusePool(4, 3, nn.SiLU()).double()
    first, activation, second = layer.layers
    expected = second(activation(first(torch.cat([pooled, attributes], dim=1))))
    torch.testing.assert_close(layer(pooled, attributes), expected)


@pytest.mark.parametrize("shape", [None, (2, 2), (3, 3)])
def test_missing_attributes_are_refused(shape: tuple[int, int] | None) -> None:
    batch = make_batch(make_cluster(3), make_cluster(4))
    if shape is not None:
        batch = batch.replace(graph_attr=torch.zeros(shape, dtype=torch.float64))
    with pytest.raises(ModelError, match=r"batch.graph_attr: expected \(2, 3\)"):
        model_of("PNA", "film")(batch)


def upstream_layers(mode: str, width: int) -> nn.Module:
    """What HydraGNN makes at its first forward pass."""
    joined = width + ATTRIBUTES
    if mode == "concat_node":
        return nn.Linear(joined, width).double()
    widths = (ATTRIBUTES, max(width, ATTRIBUTES), 2 * width)
    if mode == "fuse_pool":
        widths = (joined, width, width)
    first, second, third = widths
    layers = nn.Sequential(nn.Linear(first, second), nn.SiLU(), nn.Linear(second, third))
    return layers.double()


UPSTREAM_NAMES = {
    "concat_node": "graph_concat_projector",
    "film": "graph_conditioner",
    "fuse_pool": "graph_pool_projector",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["PNA", "CGCNN", "PAINN", "GAT"])
def test_converted_weights_act_as_in_hydragnn(name: str, mode: str) -> None:
    spec = upstream_spec(spec_of(name, mode))
    width = spec.architecture.hidden_dim
    layers = upstream_layers(mode, width)
    theirs = {f"{UPSTREAM_NAMES[mode]}.{key}": value for key, value in layers.state_dict().items()}
    if (name, mode) == ("GAT", "concat_node"):  # where no weights are kept from pass to pass
        with pytest.raises(ModelError, match="expected trained weights"):
            convert_state(theirs, spec)
        return
    converted = convert_state(theirs, spec)
    model = make_model(spec)
    places = ("conditionings.", "outputs.graph.branch-0.fuse.")
    assert set(converted) == {key for key in model.state_dict() if key.startswith(places)}
    model.load_state_dict(converted, strict=False)
    batch = batch_of()

    def joined(x: Tensor, attributes: Tensor) -> Tensor:
        if mode != "film":
            result: Tensor = layers(torch.cat([x, attributes], dim=1))
            return result
        scale, shift = (
            part.repeat_interleave(x.shape[1] // width, dim=1)
            for part in layers(attributes).split(width, dim=1)
        )
        return x * (1 + scale.tanh()) + shift

    def on_nodes(module: nn.Module, inputs: Any, output: NodeState) -> NodeState:
        return output._replace(x=joined(output.x, batch.graph_attr[batch.batch]))

    options = spec.architecture.model_copy(update={"use_graph_attr_conditioning": False})
    plain = make_model(spec.model_copy(update={"architecture": options}))
    plain.load_state_dict({n: v for n, v in model.state_dict().items() if n in plain.state_dict()})
    if mode == "fuse_pool":
        shared = plain.get_submodule("outputs.graph.branch-0.shared")
        shared.register_forward_pre_hook(lambda _, inputs: joined(inputs[0], batch.graph_attr))
    else:
        for conv in plain.convs:
            conv.register_forward_hook(on_nodes)
    for found, expected in zip(model(batch), plain(batch), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
