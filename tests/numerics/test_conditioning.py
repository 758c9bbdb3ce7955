"""Attributes of graphs condition every architecture as the equations say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hydria.core.errors import ModelError
from hydria.graph.batch import GraphBatch
from hydria.models.registry import ARCHITECTURES
from hydria.nn.conditioning import ConcatNode, FiLM, FusePool
from hydria.nn.segments import Segments
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import make_batch, make_model, make_spec

MODES = ("concat_node", "film", "fuse_pool")
ATTRIBUTES = 3


def model_of(name: str, mode: str) -> nn.Module:
    spec = make_spec(name, use_graph_attr_conditioning=True, graph_attr_conditioning_mode=mode)
    return make_model(spec.model_copy(update={"graph_attr_dim": ATTRIBUTES}))


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
    from tests.support.models import HEADS

    branches = {
        kind: [{"type": f"branch-{n}", "architecture": head} for n in (0, 1)]
        for kind, head in HEADS.items()
    }
    spec = make_spec(
        "PNA",
        use_graph_attr_conditioning=True,
        graph_attr_conditioning_mode=mode,
        output_heads=branches,
    )
    model = make_model(spec.model_copy(update={"graph_attr_dim": ATTRIBUTES}))
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
