"""The edge-sized parts of attention, a few edges at a time so that they stay in the cache.

Neither the (E, heads, width) arguments of the leaky ReLU nor the messages of that size are kept:
the backward pass makes them again. Both functions are differentiable twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from hydria.nn.edges import Edges
from hydria.nn.functions import plain
from hydria.nn.segments import Segments, segment_sum, summed_fast

# numbers gathered at a time on a CPU: half a megabyte in float32
CHUNK_SIZE = 1 << 17


# at_source, at_target, attention, features, weight
Inputs = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]


def edge_logits(
    at_source: Tensor,
    at_target: Tensor,
    attention: Tensor,
    from_edge: tuple[Tensor, Tensor] | None,
    edges: Edges,
    slope: float,
) -> Tensor:
    """``a_h · LeakyReLU(l_j + r_i + W e_ij)_h`` for each edge j → i and head h.

    Args:
        at_source, at_target: l and r, (N, heads·width).
        attention: a, (heads, width).
        from_edge: e (E, D) and W (heads·width, D), or None.
        edges: the edges.
        slope: of the leaky ReLU below zero.

    Returns:
        (E, heads).
    """
    features, weight = from_edge or (None, None)
    if plain():
        return _plain_logits((at_source, at_target, attention, features, weight), edges, slope)
    apply = cast(Callable[..., Tensor], _EdgeLogits.apply)
    return apply(at_source, at_target, attention, features, weight, edges, slope)


def weighted_sum(alpha: Tensor, values: Tensor, edges: Edges) -> Tensor:
    """``Σ_j α_ij,h v_j,h`` over the edges j → i: (E, heads), (N, heads, width) → as `values`."""
    if plain():
        return segment_sum(edges.from_source(values) * alpha.unsqueeze(2), edges.by_target)
    apply = cast(Callable[[Tensor, Tensor, Edges], Tensor], _WeightedSum.apply)
    return apply(alpha, values, edges)


class _EdgeLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        at_source: Tensor,
        at_target: Tensor,
        attention: Tensor,
        features: Tensor | None,
        weight: Tensor | None,
        edges: Edges,
        slope: float,
    ) -> Tensor:
        ctx.save_for_backward(at_source, at_target, attention, features, weight)
        ctx.edges, ctx.slope = edges, slope
        by_head = attention.to(at_source.dtype)
        logits = at_source.new_empty(len(edges.source), len(attention))
        for rows in _chunks(edges, at_source.shape[1]):
            joined = _joined(at_source, at_target, features, weight, edges, rows)
            active = functional.leaky_relu_(joined, slope).view(-1, *by_head.shape)
            # a matrix product of so few columns would take five times as long
            logits[rows] = torch.linalg.vecdot(active, by_head)
        return logits

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled():
            plain = _plain_logits(inputs, ctx.edges, ctx.slope)
            return *_again(plain, inputs, grads[0]), None, None
        return *_logits_backward(inputs, ctx.edges, ctx.slope, grads[0]), None, None


def _plain_logits(inputs: Inputs, edges: Edges, slope: float) -> Tensor:
    """`edge_logits` in torch's own operations."""
    at_source, at_target, attention, features, weight = inputs
    joined = edges.from_source(at_source) + edges.by_target.spread(at_target)
    if features is not None and weight is not None:
        joined = joined + features @ weight.T
    active = functional.leaky_relu(joined, slope).view(-1, *attention.shape)
    return (active * attention).sum(2)


def _logits_backward(
    inputs: tuple[Tensor, ...], edges: Edges, slope: float, grad: Tensor
) -> tuple[Tensor | None, ...]:
    at_source, at_target, attention, features, weight = inputs
    by_head = attention.to(at_source.dtype)
    to_source, to_target = torch.zeros_like(at_source), torch.zeros_like(at_target)
    to_attention = torch.zeros_like(attention)
    to_weight = None if weight is None else torch.zeros_like(weight)
    to_features = None if features is None else torch.empty_like(features)
    for rows in _chunks(edges, at_source.shape[1]):
        joined = _joined(at_source, at_target, features, weight, edges, rows)
        of_head = grad[rows].unsqueeze(2)
        back = (of_head * by_head).flatten(1)
        back = torch.ops.aten.leaky_relu_backward(back, joined, slope, False)
        active = functional.leaky_relu_(joined, slope).view(-1, *by_head.shape)
        to_attention += active.mul_(of_head).sum(0)
        to_source.index_add_(0, edges.source[rows], back)
        to_target.index_add_(0, edges.target[rows], back)
        if features is not None and weight is not None:
            assert to_weight is not None
            assert to_features is not None
            to_weight.addmm_(back.T.to(weight.dtype), features[rows])
            to_features[rows] = back.to(weight.dtype) @ weight
    return to_source, to_target, to_attention, to_features, to_weight


def _chunks(edges: Edges, width: int) -> Iterator[slice]:
    """All edges, on a CPU a few at a time."""
    count = len(edges.source)
    step = max(1, CHUNK_SIZE // width) if edges.source.device.type == "cpu" else max(1, count)
    return (slice(start, start + step) for start in range(0, count, step))


def _joined(
    at_source: Tensor,
    at_target: Tensor,
    features: Tensor | None,
    weight: Tensor | None,
    edges: Edges,
    rows: slice,
) -> Tensor:
    """(rows, heads·width) arguments of the leaky ReLU."""
    joined = at_source.index_select(0, edges.source[rows])
    joined += at_target.index_select(0, edges.target[rows])
    if features is not None and weight is not None:
        joined.addmm_(features[rows].to(joined.dtype), weight.T.to(joined.dtype))
    return joined


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor, values: Tensor, edges: Edges) -> Tensor:
        ctx.save_for_backward(alpha, values)
        ctx.edges = edges
        return _weighted(alpha, values, edges.by_source, edges.by_target)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        alpha, values = ctx.saved_tensors
        edges: Edges = ctx.edges
        if torch.is_grad_enabled():
            plain = segment_sum(edges.from_source(values) * alpha.unsqueeze(2), edges.by_target)
            return *_again(plain, (alpha, values), grads[0]), None
        to_alpha = torch.empty_like(alpha)
        for rows in _chunks(edges, values[0].numel() if len(values) else 1):
            at_edges = grads[0].index_select(0, edges.target[rows])
            to_alpha[rows] = at_edges.mul_(values.index_select(0, edges.source[rows])).sum(2)
        return to_alpha, _weighted(alpha, grads[0], edges.by_target, edges.by_source), None


def _weighted(alpha: Tensor, values: Tensor, start: Segments, end: Segments) -> Tensor:
    """Carry (N, heads, width) values along the edges from one end to the other, weighted."""
    if not (summed_fast(values) and alpha.dtype == values.dtype):
        return segment_sum(start.spread(values) * alpha.unsqueeze(2), end)
    sources, weights = start.index, alpha
    if not end.ascending:
        sources, weights = sources[end.rows], weights[end.rows]
    sums = [
        functional.embedding_bag(
            sources,
            of_head.contiguous(),
            end.offsets,
            mode="sum",
            per_sample_weights=weight.contiguous(),
            include_last_offset=True,
        )
        for of_head, weight in zip(values.unbind(1), weights.unbind(1), strict=True)
    ]
    return torch.stack(sums, dim=1)


def _again(
    output: Tensor, inputs: tuple[Tensor | None, ...], grad: Tensor
) -> Iterator[Tensor | None]:
    """Gradients of an output made from torch's own operations, to be differentiated further."""
    wanted = [value for value in inputs if value is not None and value.requires_grad]
    found = iter(torch.autograd.grad(output, wanted, grad, create_graph=True))
    for value in inputs:
        yield next(found) if value is not None and value.requires_grad else None
