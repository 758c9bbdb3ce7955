"""Vectors carried along edges: gathered, gated and summed without edge-sized vector arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.functions import applied, plain

# numbers gathered at a time on a CPU, so that they stay in the cache: a megabyte in float32
CHUNK_SIZE = 1 << 18


def carried_vectors(vectors: Tensor, gates: Tensor, edges: Edges) -> Tensor:
    """``Σ_j v_j ⊙ g_ij`` over the edges j → i; differentiable as often as needed.

    Args:
        vectors: (N, 3, C).
        gates: (E, C).
        edges: the E edges.

    Returns:
        (N, 3, C).
    """
    if plain():
        carried = vectors.index_select(0, edges.source) * gates.unsqueeze(1)
        return torch.zeros_like(vectors).index_add(0, edges.target, carried)
    return applied(_Carried, vectors, gates, edges.source, edges.target)


def _chunks(num_edges: int, like: Tensor) -> Iterator[slice]:
    """Edges, so few at a time that what is gathered for them stays in the cache."""
    width = like[0].numel() if len(like) else 1
    step = max(1, CHUNK_SIZE // max(1, width)) if like.device.type == "cpu" else max(1, num_edges)
    for first in range(0, num_edges, step):
        yield slice(first, first + step)


class _Carried(torch.autograd.Function):
    """(N, 3, C), (E, C) → (N, 3, C)."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, gates: Tensor, start: Tensor, end: Tensor) -> Tensor:
        ctx.save_for_backward(vectors, gates, start, end)
        total = torch.zeros_like(vectors)
        for chunk in _chunks(len(gates), vectors):
            gathered = vectors.index_select(0, start[chunk])
            total.index_add_(0, end[chunk], gathered.mul_(gates[chunk].unsqueeze(1)))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        vectors, gates, start, end = ctx.saved_tensors
        to_vectors = to_gates = None
        if ctx.needs_input_grad[0]:
            to_vectors = applied(_Carried, grads[0].contiguous(), gates, end, start)
        if ctx.needs_input_grad[1]:
            to_gates = applied(_Products, vectors, grads[0], start, end)
        return to_vectors, to_gates, None, None


class _Products(torch.autograd.Function):
    """Products of the vectors at both ends, summed over directions: 2 × (N, 3, C) → (E, C)."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, start: Tensor, end: Tensor) -> Tensor:
        ctx.save_for_backward(first, second, start, end)
        products = first.new_empty(len(start), first.shape[2])
        for chunk in _chunks(len(start), first):
            gathered = first.index_select(0, start[chunk])
            gathered.mul_(second.index_select(0, end[chunk]))
            torch.sum(gathered, 1, out=products[chunk])
        return products

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        first, second, start, end = ctx.saved_tensors
        to_first = to_second = None
        if ctx.needs_input_grad[0]:
            to_first = applied(_Carried, second.contiguous(), grads[0], end, start)
        if ctx.needs_input_grad[1]:
            to_second = applied(_Carried, first, grads[0], start, end)
        return to_first, to_second, None, None
