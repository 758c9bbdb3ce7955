"""Vectors carried along edges against a loop, and their derivatives."""

from __future__ import annotations

import pytest
import torch

from hydria.nn import vectors as module
from hydria.nn.edges import Edges
from hydria.nn.vectors import carried_vectors


def edges_and_inputs() -> tuple[Edges, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ends = torch.randint(0, 4, (2, 11), generator=generator)
    edges = Edges(ends[:, ends[1].argsort(stable=True)], 5)
    carried = torch.randn(5, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    gates = torch.randn(11, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    return edges, carried, gates


@pytest.mark.parametrize("chunk_size", [1, 20, 1 << 18])
def test_sums_equal_a_loop(monkeypatch: pytest.MonkeyPatch, chunk_size: int) -> None:
    monkeypatch.setattr(module, "CHUNK_SIZE", chunk_size)
    edges, carried, gates = edges_and_inputs()
    expected = torch.zeros(5, 3, 2, dtype=torch.float64)
    for edge, (j, i) in enumerate(zip(edges.source, edges.target, strict=True)):
        expected[i] += carried[j] * gates[edge]
    torch.testing.assert_close(carried_vectors(carried, gates, edges), expected)


def test_first_and_second_derivatives_equal_finite_differences() -> None:
    edges, *inputs = edges_and_inputs()
    assert torch.autograd.gradcheck(lambda *values: carried_vectors(*values, edges), inputs)
    assert torch.autograd.gradgradcheck(lambda *values: carried_vectors(*values, edges), inputs)


@pytest.mark.parametrize("num_nodes", [0, 3])
def test_no_edges_give_zeros(num_nodes: int) -> None:
    edges = Edges(torch.zeros(2, 0, dtype=torch.long), num_nodes)
    carried = torch.randn(num_nodes, 3, 4, requires_grad=True)
    total = carried_vectors(carried, torch.zeros(0, 4), edges)
    assert not total.any()
    total.sum().backward()
    assert carried.grad is not None
