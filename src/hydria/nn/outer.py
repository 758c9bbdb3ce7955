"""Sums of outer products over the edges of each node, as batched matrix products.

``S_i = Σ_e a_e ⊗ b_e`` over the edges e into node i, where b_e belongs to the edge or to its
source. An (E, K, C) array is never made, and an (E, C) array of gathered features neither: on a
CPU nodes with equally many edges are taken together, a few at a time, so that what is gathered
for them stays in the cache; their sums are one batched product (K × edges) · (edges × C).

The sum and its two derivatives are the derivatives of one form, ``Σ a_ek b_ec G_ikc``, and the
derivatives of these are again among them: so they can be differentiated as often as needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.functions import applied, plain

# numbers gathered at a time: a megabyte in float32
CHUNK_SIZE = 1 << 18


class Chunk(NamedTuple):
    """Some nodes with equally many edges."""

    places: slice
    """Where they are in `OuterSums.nodes`."""
    edges: Tensor
    """(n · degree,) int64, their edges, node by node."""
    shape: tuple[int, int]
    """n and degree."""


class OuterSums:
    """Sums of outer products over the edges of a batch."""

    def __init__(self, edges: Edges, grouped: bool | None = None) -> None:
        """Find the nodes with equally many edges.

        Args:
            edges: E edges sorted by target.
            grouped: whether nodes are taken together by degree; None: on a CPU.
        """
        self.edges = edges
        asked = edges.source.device.type == "cpu" if grouped is None else grouped
        self.grouped = asked and not plain()
        if self.grouped:
            self._group()

    def _group(self) -> None:
        counts = self.edges.by_target.counts
        self.nodes = counts.argsort(stable=True)
        self.position = self.nodes.argsort()
        degrees, sizes = torch.unique_consecutive(counts[self.nodes], return_counts=True)
        self.groups = list(zip(sizes.tolist(), degrees.tolist(), strict=True))
        self.by_degree = self.position[self.edges.target].argsort(stable=True)

    def chunks(self, width: int) -> Iterator[Chunk]:
        """All nodes, so few at a time that `width` columns of their edges fit the cache."""
        node = edge = 0
        for size, degree in self.groups:
            on_cpu = self.nodes.device.type == "cpu"
            step = max(1, CHUNK_SIZE // max(1, degree * width)) if on_cpu else max(1, size)
            for count in (min(step, size - done) for done in range(0, size, step)):
                edges = self.by_degree[edge : edge + count * degree]
                yield Chunk(slice(node, node + count), edges, (count, degree))
                node, edge = node + count, edge + count * degree

    def of_edges(self, left: Tensor, right: Tensor) -> Tensor:
        """``Σ_e a_e ⊗ b_e`` of (E, K) and (E, C): (N, K, C)."""
        return self._sum(left, right, at_source=False)

    def of_sources(self, left: Tensor, features: Tensor) -> Tensor:
        """``Σ_e a_e ⊗ x_j`` of (E, K) and the (N, C) features of the sources: (N, K, C)."""
        return self._sum(left, features, at_source=True)

    def _sum(self, left: Tensor, right: Tensor, at_source: bool) -> Tensor:
        if self.grouped:
            return applied(_Sum, left, right, self, at_source)
        right = self.edges.from_source(right) if at_source else right
        products = left.unsqueeze(2) * right.unsqueeze(1)  # (E, K, C)
        total = products.new_zeros(self.edges.num_nodes, *products.shape[1:])
        return total.index_add(0, self.edges.target, products)

    def rows(self, edges: Tensor, at_source: bool) -> Tensor:
        """The rows of the right-hand side that belong to some edges."""
        return self.edges.source.index_select(0, edges) if at_source else edges


class _Sum(torch.autograd.Function):
    """(E, K), (E or N, C) → (N, K, C)."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, sums: OuterSums, at_source: bool) -> Tensor:
        ctx.sums, ctx.at_source = sums, at_source
        ctx.save_for_backward(left, right)
        width, channels = left.shape[1], right.shape[1]
        total = left.new_empty(sums.edges.num_nodes, width, channels)
        for places, edges, shape in sums.chunks(channels):
            a = left.index_select(0, edges).view(*shape, width)
            b = right.index_select(0, sums.rows(edges, at_source)).view(*shape, channels)
            torch.bmm(a.mT, b, out=total[places])
        return total.index_select(0, sums.position)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        left, right = ctx.saved_tensors
        rest = (ctx.sums, ctx.at_source)
        to_left = applied(_Left, right, grads[0], *rest) if ctx.needs_input_grad[0] else None
        to_right = (
            applied(_Right, left, grads[0], right, *rest) if ctx.needs_input_grad[1] else None
        )
        return to_left, to_right, None, None


class _Left(torch.autograd.Function):
    """(E or N, C), (N, K, C) → (E, K)."""

    @staticmethod
    def forward(ctx: Any, right: Tensor, form: Tensor, sums: OuterSums, at_source: bool) -> Tensor:
        ctx.sums, ctx.at_source = sums, at_source
        ctx.save_for_backward(right, form)
        width, channels = form.shape[1:]
        left = form.new_empty(len(sums.edges.source), width)
        form = form.index_select(0, sums.nodes)
        for places, edges, shape in sums.chunks(channels):
            b = right.index_select(0, sums.rows(edges, at_source)).view(*shape, channels)
            left.index_copy_(0, edges, torch.bmm(b, form[places].mT).view(-1, width))
        return left

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        right, form = ctx.saved_tensors
        rest = (ctx.sums, ctx.at_source)
        to_right = (
            applied(_Right, grads[0], form, right, *rest) if ctx.needs_input_grad[0] else None
        )
        to_form = applied(_Sum, grads[0], right, *rest) if ctx.needs_input_grad[1] else None
        return to_right, to_form, None, None


class _Right(torch.autograd.Function):
    """(E, K), (N, K, C) → (E or N, C), shaped as `like`."""

    @staticmethod
    def forward(
        ctx: Any, left: Tensor, form: Tensor, like: Tensor, sums: OuterSums, at_source: bool
    ) -> Tensor:
        ctx.sums, ctx.at_source = sums, at_source
        ctx.save_for_backward(left, form)
        width, channels = form.shape[1:]
        right = torch.zeros_like(like)
        form = form.index_select(0, sums.nodes)
        for places, edges, shape in sums.chunks(channels):
            a = left.index_select(0, edges).view(*shape, width)
            part = torch.bmm(a, form[places]).view(-1, channels)
            right.index_add_(0, sums.rows(edges, at_source), part)
        return right

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        left, form = ctx.saved_tensors
        rest = (ctx.sums, ctx.at_source)
        to_left = applied(_Left, grads[0], form, *rest) if ctx.needs_input_grad[0] else None
        to_form = applied(_Sum, left, grads[0], *rest) if ctx.needs_input_grad[1] else None
        return to_left, to_form, None, None, None
