"""Sums of outer products against loops, and their derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hydria.nn import outer
from hydria.nn.edges import Edges
from hydria.nn.outer import OuterSums

NUM_NODES = 6
GROUPED = pytest.mark.parametrize("grouped", [True, False])


def random_edges(num_edges: int = 14) -> Edges:
    """A multigraph over six nodes, the last without edges."""
    generator = torch.Generator().manual_seed(1)
    ends = torch.randint(0, NUM_NODES - 1, (2, num_edges), generator=generator)
    return Edges(ends[:, ends[1].argsort(stable=True)], NUM_NODES)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_without_a_say_a_cpu_groups() -> None:
    assert OuterSums(random_edges()).grouped


@GROUPED
@pytest.mark.parametrize("chunk_size", [1, 1 << 18])
def test_sums_equal_a_loop(monkeypatch: pytest.MonkeyPatch, grouped: bool, chunk_size: int) -> None:
    monkeypatch.setattr(outer, "CHUNK_SIZE", chunk_size)
    edges = random_edges()
    sums = OuterSums(edges, grouped)
    left, right, features = random(14, 3), random(14, 4), random(NUM_NODES, 4)
    of_edges = torch.zeros(NUM_NODES, 3, 4, dtype=torch.float64)
    of_sources = of_edges.clone()
    for edge, (j, i) in enumerate(zip(edges.source, edges.target, strict=True)):
        of_edges[i] += torch.outer(left[edge], right[edge])
        of_sources[i] += torch.outer(left[edge], features[j])
    torch.testing.assert_close(sums.of_edges(left, right), of_edges)
    torch.testing.assert_close(sums.of_sources(left, features), of_sources)


@GROUPED
def test_first_and_second_derivatives_equal_finite_differences(grouped: bool) -> None:
    sums = OuterSums(random_edges(), grouped)
    for function, right in ((sums.of_edges, random(14, 2)), (sums.of_sources, random(6, 2))):
        inputs = (random(14, 3), right)
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


def test_third_derivatives_are_there() -> None:
    sums = OuterSums(random_edges())
    left, features = random(14, 2), random(NUM_NODES, 2)

    def slope(values: Tensor) -> Tensor:
        total = sums.of_sources(left, values).pow(4).sum()
        return torch.autograd.grad(total, values, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(slope, (features,))


@GROUPED
@pytest.mark.parametrize("num_nodes", [0, 3])
def test_no_edges_give_zeros_that_stay_in_the_graph(grouped: bool, num_nodes: int) -> None:
    edges = Edges(torch.zeros(2, 0, dtype=torch.long), num_nodes)
    sums = OuterSums(edges, grouped)
    features = torch.randn(num_nodes, 4, requires_grad=True)
    total = sums.of_sources(torch.zeros(0, 3), features)
    assert total.shape == (num_nodes, 3, 4)
    assert not total.any()
    total.sum().backward()
    assert features.grad is not None


@GROUPED
def test_precisions_may_differ(grouped: bool) -> None:
    sums = OuterSums(random_edges(), grouped)
    left, right = random(14, 3), random(14, 4)
    mixed = sums.of_edges(left, right.to(torch.bfloat16))
    assert mixed.dtype == torch.float64
    torch.testing.assert_close(mixed, sums.of_edges(left, right), rtol=0.02, atol=0.1)
