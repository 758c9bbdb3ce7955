"""Fused messages: gather from sources, multiply, sum at targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.segments import Segments, bag_sum, in_place_mul, segment_sum, summed_fast


def neighbor_sum(x: Tensor, edges: Edges) -> Tensor:
    """``Σ_j x_j`` over the edges j → i: (N, C) → (N, C); differentiable twice."""
    apply = cast(Callable[[Tensor, Segments, Segments], Tensor], _NeighborSum.apply)
    return apply(x, edges.by_source, edges.by_target)


def neighbor_mean(x: Tensor, edges: Edges) -> Tensor:
    """The mean of x_j over the edges j → i, or 0 without any: (N, C) → (N, C)."""
    counts = edges.by_target.counts.clamp_min(1).to(x.dtype)
    return neighbor_sum(x, edges) / counts.unsqueeze(1)


class _NeighborSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sources: Segments, targets: Segments) -> Tensor:
        ctx.ends = sources, targets
        if summed_fast(x):
            return bag_sum(x, sources.index[targets.rows], targets.offsets)
        return segment_sum(sources.spread(x), targets)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        sources, targets = ctx.ends
        apply = cast(Callable[[Tensor, Segments, Segments], Tensor], _NeighborSum.apply)
        return apply(grads[0], targets, sources), None, None


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
        return segment_sum(to_sources, edges.by_source), to_gates, to_weights, None
