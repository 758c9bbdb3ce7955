"""Fused messages against torch's own operations."""

from __future__ import annotations

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.messages import gated_sum


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
