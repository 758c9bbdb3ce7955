"""Fused messages: gather from sources, multiply by gates, sum at targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.segments import in_place_mul, segment_sum


def gated_sum(x: Tensor, gates: Tensor, weights: Tensor, edges: Edges) -> Tensor:
    """``Σ_j x_j ⊙ g_ij · w_ij`` over the edges j → i; differentiable twice.

    The same as gathering, multiplying and adding with torch's own operations, with fewer
    edge-sized arrays made and none kept but the gates.

    Args:
        x: (N, C) node features.
        gates: (E, C).
        weights: (E, 1), such as a cutoff function.
        edges: the E edges.

    Returns:
        (N, C).
    """
    apply = cast(Callable[[Tensor, Tensor, Tensor, Edges], Tensor], _GatedSum.apply)
    return apply(x, gates, weights, edges)


class _GatedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gates: Tensor, weights: Tensor, edges: Edges) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(x, gates, weights)
        messages = edges.from_source(x).mul_(gates).mul_(weights)
        return segment_sum(messages, edges.by_target)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        x, gates, weights = ctx.saved_tensors
        edges: Edges = ctx.edges
        multiply = in_place_mul()
        to_gates = multiply(edges.by_target.spread(grads[0]), edges.from_source(x))
        to_weights = (to_gates * gates).sum(1, keepdim=True) if ctx.needs_input_grad[2] else None
        to_gates = multiply(to_gates, weights)
        to_sources = multiply(multiply(edges.by_target.spread(grads[0]), gates), weights)
        to_x = torch.zeros_like(x).index_add(0, edges.source, to_sources)
        return to_x, to_gates, to_weights, None
