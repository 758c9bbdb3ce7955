"""Heads, branches, options of the stack and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from hydria.config.training import Training
from hydria.core.errors import ConfigError, HydriaError, ModelError
from hydria.graph.batch import GraphBatch
from hydria.models import build_model
from hydria.models.registry import ARCHITECTURES
from hydria.train.losses import build_loss
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import HEADS, make_batch, make_model, make_spec

ALL = pytest.mark.parametrize("name", ARCHITECTURES)


def two_branches() -> dict[str, list[dict[str, object]]]:
    return {
        kind: [{"type": f"branch-{number}", "architecture": architecture} for number in (0, 1)]
        for kind, architecture in HEADS.items()
    }


def structures() -> list[Structure]:
    return [make_crystal(repeat=1), make_cluster(4), make_crystal(repeat=1, seed=5)]


def batch_for(name: str) -> GraphBatch:
    """A batch for a model as `build_model` makes it: to MACE features are atomic numbers."""
    batch = make_batch(*structures())
    return batch.replace(x=(batch.x[:, :1] * 50).round()) if name == "MACE" else batch


@ALL
def test_node_head_per_position_has_weights_of_its_own(name: str) -> None:
    model = make_model(make_spec(name, node_head="mlp_per_node", num_nodes=4))
    _, node = model(make_batch(make_crystal(repeat=1, rattle=0.0)))
    assert node.shape == (4, 2)
    head = model.get_submodule("outputs.node.branch-0.heads.1")
    x = torch.randn(4, 2, 8, dtype=torch.float64)
    output = head(x)
    for position in range(4):
        row = x[position]
        for layer in head:
            if hasattr(layer, "weight"):
                row = row @ layer.weight[position] + layer.bias[position]
            else:
                row = layer(row)
        torch.testing.assert_close(output[position], row)


def test_node_head_per_position_refuses_other_sizes() -> None:
    with pytest.raises(ModelError, match="mlp_per_node"):
        build_model(make_spec("PNA", node_head="mlp_per_node", num_nodes=None))
    model = make_model(make_spec("PNA", node_head="mlp_per_node", num_nodes=4))
    with pytest.raises(ModelError, match="expected 4 nodes"):
        model(make_batch(make_cluster(5)))


@ALL
def test_convolution_head_sees_neighbours(name: str) -> None:
    spec = make_spec(name, node_head="conv")
    model = make_model(spec)
    batch = make_batch(make_cluster())
    with torch.no_grad():
        encoded = model.encode(batch)
        changed = encoded.nodes.x.clone()
        changed[0] += 1.0
        heads = model.get_submodule("outputs.node.branch-0")
        before = heads(encoded)[1]
        encoded = replace(encoded, nodes=encoded.nodes._replace(x=changed))
        difference = (heads(encoded)[1] - before).abs().sum(1)
    neighbours = batch.edge_index[1][batch.edge_index[0] == 0]
    assert before.shape == (12, 2)
    assert bool((difference[neighbours] > 1e-6).all())


@ALL
@pytest.mark.parametrize("node_head", ["mlp", "conv"])
def test_each_graph_goes_through_its_branch(name: str, node_head: str) -> None:
    heads = two_branches()
    for branch in heads["node"]:
        branch["architecture"] = {**HEADS["node"], "type": node_head}
    model = make_model(make_spec(name, output_heads=heads))
    batch = make_batch(*structures())
    chosen = torch.tensor([[1], [0], [1]])
    mixed = model(batch.replace(dataset_name=chosen))
    whole = [model(batch.replace(dataset_name=torch.full((3, 1), number))) for number in (0, 1)]
    for mixed_rows, first, second in zip(mixed, *whole, strict=True):
        rows = chosen if len(mixed_rows) == 3 else chosen[batch.batch]
        torch.testing.assert_close(mixed_rows, torch.where(rows == 1, second, first))
        assert not torch.allclose(first, second)


def test_branches_without_samples_still_get_gradients() -> None:
    model = make_model(make_spec("PNA", output_heads=two_branches())).train()
    batch = make_batch(*structures()).replace(dataset_name=torch.zeros(3, 1))
    sum(output.sum() for output in model(batch)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_branches_need_to_know_the_data_set() -> None:
    model = make_model(make_spec("PNA", output_heads=two_branches()))
    batch = make_batch(*structures())
    with pytest.raises(ModelError, match="dataset_name"):
        model(batch)
    with pytest.raises(ModelError, match=r"got \[7\]"):
        model(batch.replace(dataset_name=torch.tensor([0, 1, 7])))


@ALL
@pytest.mark.parametrize("node_head", ["mlp", "mlp_per_node", "conv"])
def test_gaussian_likelihood_doubles_the_columns(name: str, node_head: str) -> None:
    model = make_model(make_spec(name, node_head=node_head, num_nodes=4, gaussian_nll=True))
    graph, node = model.train()(make_batch(*structures()))
    assert graph.shape == (3, 2)
    assert node.shape == (12, 4)
    loss = build_loss(Training(loss_function_type="GaussianNLLLoss"))
    total = sum(loss.local_sum(x, torch.ones(len(x), x.shape[1] // 2)) for x in (graph, node))
    total.backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in model.parameters())


@ALL
def test_frozen_convolutions_leave_the_heads_free(name: str) -> None:
    model = make_model(make_spec(name, freeze_conv_layers=True))
    for parameter_name, parameter in model.named_parameters():
        assert parameter.requires_grad == parameter_name.startswith("outputs.")


@ALL
@pytest.mark.parametrize("node_head", ["mlp", "mlp_per_node", "conv"])
def test_initial_bias_is_the_last_bias_of_every_head(name: str, node_head: str) -> None:
    batch = batch_for(name)
    outputs = []
    for bias in (0.5, 3.0):
        torch.manual_seed(0)
        spec = make_spec(name, node_head=node_head, num_nodes=4, initial_bias=bias)
        outputs.append(build_model(spec).eval()(batch))
    for before, after in zip(*outputs, strict=True):
        torch.testing.assert_close(after - before, torch.full_like(after, 2.5))


@ALL
@pytest.mark.parametrize("pooling", ["mean", "add", "max"])
def test_pooling_joins_the_nodes_of_a_graph(name: str, pooling: str) -> None:
    model = make_model(make_spec(name, graph_pooling=pooling))
    batch = make_batch(*structures())
    pooled = []
    model.get_submodule("outputs.graph.branch-0.shared").register_forward_pre_hook(
        lambda module, inputs: pooled.append(inputs[0])
    )
    model(batch)
    reduce = {"mean": "mean", "add": "sum", "max": "amax"}[pooling]
    x = model.encode(batch).nodes.x
    expected = [getattr(part, reduce)(0) for part in x.split(batch.ptr.diff().tolist())]
    torch.testing.assert_close(pooled[0], torch.stack(expected))


def test_prelu_is_one_parameter_for_the_whole_model() -> None:
    model = build_model(make_spec("PNA", activation_function="prelu"))
    slopes = {id(module.weight) for module in model.modules() if isinstance(module, nn.PReLU)}
    assert slopes == {id(model.activation.weight)}


@ALL
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
def test_a_step_is_made_in_each_precision(name: str, precision: str) -> None:
    model = build_model(make_spec(name, precision=precision)).train()
    dtype = torch.float64 if precision == "fp64" else torch.float32
    floats = [t for t in model.state_dict().values() if t.is_floating_point()]
    assert {t.dtype for t in floats} == {dtype}
    batch = batch_for(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        outputs = model(batch)
    if precision != "bf16":
        assert {output.dtype for output in outputs} == {dtype}
    before = [parameter.detach().clone() for parameter in model.parameters()]
    sum(output.to(dtype).square().sum() for output in outputs).backward()
    optimizer.step()
    for old, new in zip(before, model.parameters(), strict=True):
        assert new.dtype == dtype
        assert bool(new.isfinite().all())
        assert not torch.equal(old, new)


def test_equivariance_is_refused_where_there_are_no_vectors() -> None:
    with pytest.raises(ConfigError, match="equivariance"):
        build_model(make_spec("CGCNN", equivariance=True))


@pytest.mark.parametrize("name", ["GIN", "SAGE", "MFC"])
def test_edge_features_are_refused_where_only_topology_counts(name: str) -> None:
    with pytest.raises(ConfigError, match="edge_features"):
        build_model(make_spec(name, edge_features=True))


@pytest.mark.parametrize("name", ["SchNet", "PNAPlus"])
def test_radial_functions_need_a_radius(name: str) -> None:
    with pytest.raises(HydriaError, match="radius"):
        build_model(make_spec(name, radius=None))


def test_degree_weights_need_a_cap() -> None:
    with pytest.raises(ModelError, match="max_neighbours"):
        build_model(make_spec("MFC", max_neighbours=None))


def test_attention_is_dropped_in_training_only() -> None:
    model = make_model(make_spec("GAT", dropout=0.5))
    batch = make_batch(make_cluster())
    assert torch.equal(model(batch)[1], model(batch)[1])
    model.train()
    assert not torch.equal(model.encode(batch).nodes.x, model.encode(batch).nodes.x)
