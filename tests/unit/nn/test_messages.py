"""Fused messages against torch's own operations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.messages import equal_pairs, gated_sum, neighbor_mean, neighbor_sum
from hydria.nn.segments import Segments
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import make_batch


def graph() -> tuple[Edges, Tensor, Tensor, Tensor]:
    edges = Edges(torch.tensor([[1, 2, 0, 0, 2], [0, 0, 1, 1, 1]]), 4)
    generator = torch.Generator().manual_seed(0)
    x, gates, weights = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((4, 3), (5, 3), (5, 1))
    )
    return edges, x, gates, weights


def test_gated_sum_equals_gather_multiply_add() -> None:
    edges, *values = graph()
    results = []
    for function in (gated_sum, plain):
        total = function(*values, edges)
        gradients = torch.autograd.grad(total.sin().sum(), values)
        results.append([total.detach(), *gradients])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-14)


def plain(x: Tensor, gates: Tensor, weights: Tensor, edges: Edges) -> Tensor:
    messages = x[edges.source] * gates * weights
    return torch.zeros_like(x).index_add(0, edges.target, messages)


def test_gated_sum_is_differentiable_twice() -> None:
    edges, *values = graph()

    def summed(*inputs: Tensor) -> Tensor:
        return gated_sum(*inputs, edges)

    assert torch.autograd.gradcheck(summed, values)
    assert torch.autograd.gradgradcheck(summed, values)


def paired() -> tuple[Edges, Segments, Tensor]:
    """The edges of a crystal whose images recur, in pairs, and their lengths."""
    batch = make_batch(make_crystal(1, rattle=0.0), make_cluster(6))
    edges = Edges.of(batch, torch.float64)
    lengths = edges.lengths(batch.pos)
    pairs = equal_pairs(edges, lengths)
    assert pairs is not None
    return edges, pairs, lengths


def test_pairs_have_one_length_and_the_same_nodes() -> None:
    edges, pairs, lengths = paired()
    first, second = pairs.rows[::2], pairs.rows[1::2]
    assert torch.equal(lengths[first], lengths[second])
    ends = [torch.stack([edges.source[e], edges.target[e]]).sort(0)[0] for e in (first, second)]
    assert torch.equal(*ends)
    assert torch.equal(pairs.rows.sort()[0], torch.arange(len(lengths)))
    assert torch.equal(pairs.index[first], torch.arange(len(first)))


@pytest.mark.parametrize("dropped", [(0,), (0, -1)])
def test_edges_without_a_partner_are_left_as_they_are(dropped: tuple[int, ...]) -> None:
    edges, _, lengths = paired()
    kept = torch.ones(len(lengths), dtype=torch.bool)
    kept[list(dropped)] = False
    index = torch.stack([edges.source, edges.target])[:, kept]
    assert equal_pairs(Edges(index, edges.num_nodes), lengths[kept]) is None


def test_gated_sum_over_pairs_equals_gates_of_edges() -> None:
    edges, pairs, lengths = paired()
    x = torch.randn(edges.num_nodes, 3, dtype=torch.float64, requires_grad=True)
    gates = torch.randn(len(lengths) // 2, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(len(lengths) // 2, 1, dtype=torch.float64, requires_grad=True)
    values = (x, gates, weights)
    ours = gated_sum(*values, edges, pairs)
    expected = plain(x, gates[pairs.index], weights[pairs.index], edges)
    torch.testing.assert_close(ours, expected)
    found = torch.autograd.grad(ours.sin().sum(), values)
    truth = torch.autograd.grad(expected.sin().sum(), values)
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neighbor_sum_and_mean_equal_dense_products(dtype: torch.dtype) -> None:
    edges, *_ = graph()
    x = torch.randn(4, 3, dtype=dtype, requires_grad=True)
    adjacency = torch.zeros(4, 4, dtype=dtype)
    adjacency.index_put_((edges.target, edges.source), torch.ones(5, dtype=dtype), accumulate=True)
    degree = adjacency.sum(1, keepdim=True).clamp_min(1)
    for ours, expected in (
        (neighbor_sum(x, edges), adjacency @ x),
        (neighbor_mean(x, edges), adjacency @ x / degree),
    ):
        torch.testing.assert_close(ours, expected)
        (gradient,) = torch.autograd.grad(ours.square().sum(), x)
        (expected_gradient,) = torch.autograd.grad(expected.square().sum(), x)
        torch.testing.assert_close(gradient, expected_gradient)


def test_neighbor_sum_is_differentiable_twice() -> None:
    edges, x, *_ = graph()
    assert torch.autograd.gradcheck(lambda nodes: neighbor_sum(nodes.sin(), edges), x)
    assert torch.autograd.gradgradcheck(lambda nodes: neighbor_sum(nodes.sin(), edges), x)
