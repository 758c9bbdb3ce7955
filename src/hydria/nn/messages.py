"""Fused messages: gather from sources, multiply, sum at targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.functions import plain
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


def gated_sum(
    x: Tensor, gates: Tensor, weights: Tensor, edges: Edges, pairs: Segments | None = None
) -> Tensor:
    """``Σ_j x_j ⊙ g_ij · w_ij`` over the edges j → i; differentiable twice.

    The same as gathering, multiplying and adding with torch's own operations, with fewer
    edge-sized arrays made and none kept but the gates.

    Args:
        x: (N, C) node features.
        gates: (E, C), or (P, C) with pairs.
        weights: (E, 1), such as a cutoff function, or (P, 1).
        edges: the E edges.
        pairs: the edges grouped into P pairs that share gates and weights.

    Returns:
        (N, C).
    """
    if plain():
        messages = edges.from_source(x) * _of_edges(gates * weights, pairs)
        return segment_sum(messages, edges.by_target)
    Apply = Callable[[Tensor, Tensor, Tensor, Edges, Segments | None], Tensor]
    return cast(Apply, _GatedSum.apply)(x, gates, weights, edges, pairs)


class _GatedSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gates: Tensor,
        weights: Tensor,
        edges: Edges,
        pairs: Segments | None,
    ) -> Tensor:
        ctx.edges, ctx.pairs = edges, pairs
        ctx.save_for_backward(x, gates, weights)
        messages = edges.from_source(x).mul_(_of_edges(gates * weights, pairs))
        return segment_sum(messages, edges.by_target)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        x, gates, weights = ctx.saved_tensors
        edges: Edges = ctx.edges
        multiply = in_place_mul()
        to_gates = multiply(edges.by_target.spread(grads[0]), edges.from_source(x))
        if ctx.pairs is not None:
            to_gates = segment_sum(to_gates, ctx.pairs)
        to_weights = (to_gates * gates).sum(1, keepdim=True) if ctx.needs_input_grad[2] else None
        to_gates = multiply(to_gates, weights)
        scaled = _of_edges(gates * weights, ctx.pairs)
        to_sources = multiply(edges.by_target.spread(grads[0]), scaled)
        return segment_sum(to_sources, edges.by_source), to_gates, to_weights, None, None


def _of_edges(values: Tensor, pairs: Segments | None) -> Tensor:
    return values if pairs is None else pairs.spread(values)


def equal_pairs(edges: Edges, lengths: Tensor) -> Segments | None:
    """Every edge with one of the same length between the same nodes, as a rule its reverse.

    What depends on the length alone is then computed once for both. None where not every edge has
    a partner (capped neighbour lists), and on devices on which looking would cost a wait.

    Args:
        edges: the E edges.
        lengths: (E,) their lengths, Å.

    Returns:
        The edges grouped into E/2 pairs.
    """
    if plain():
        return None
    count = len(lengths)
    if count == 0 or count % 2 or lengths.device.type != "cpu":
        return None
    lengths = lengths.detach()
    ends = torch.minimum(edges.source, edges.target) * edges.num_nodes
    ends += torch.maximum(edges.source, edges.target)
    order = lengths.argsort(stable=True)
    order = order[ends[order].argsort(stable=True)]
    for values in (lengths[order], ends[order]):
        if not torch.equal(values[::2], values[1::2]):
            return None
    index = torch.empty_like(order)
    index[order] = torch.arange(count) // 2
    return Segments(index, count // 2, torch.arange(0, count + 1, 2), ascending=False, rows=order)
