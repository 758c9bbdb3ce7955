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

# numbers gathered at a time: a megabyte in float32
CHUNK_SIZE = 1 << 18


class Group(NamedTuple):
    """Consecutive nodes, as arranged, with equally many edges."""

    first_node: int
    nodes: int
    first_edge: int
    degree: int


class OuterSums:
    """Sums of outer products over the edges of a batch; what belongs to edges is arranged first.

    Attributes:
        order: (E,) the edges as arranged, or None when they stay in place.
        source: (E,) int64, the sources of the arranged edges.
    """

    def __init__(self, edges: Edges, grouped: bool | None = None) -> None:
        """Arrange the edges.

        Args:
            edges: E edges sorted by target.
            grouped: whether nodes are taken together by degree; None: on a CPU.
        """
        self.edges = edges
        self.order: Tensor | None = None
        self.source = edges.source
        if edges.source.device.type == "cpu" if grouped is None else grouped:
            self._group()

    def _group(self) -> None:
        counts = self.edges.by_target.counts
        self.nodes = counts.argsort(stable=True)
        self.position = self.nodes.argsort()
        degrees, sizes = torch.unique_consecutive(counts[self.nodes], return_counts=True)
        self.groups: list[Group] = []
        node = edge = 0
        for size, degree in zip(sizes.tolist(), degrees.tolist(), strict=True):
            self.groups.append(Group(node, size, edge, degree))
            node, edge = node + size, edge + size * degree
        self.order = self.position[self.edges.target].argsort(stable=True)
        self.source = self.edges.source[self.order]

    def chunks(self, width: int) -> Iterator[tuple[slice, slice, tuple[int, int]]]:
        """Nodes, edges and (number of nodes, edges of each), so few that they fit the cache."""
        for group in self.groups:
            step = max(1, CHUNK_SIZE // max(1, group.degree * width))
            for done in range(0, group.nodes, step):
                nodes = min(step, group.nodes - done)
                first = group.first_edge + done * group.degree
                start = group.first_node + done
                edges = slice(first, first + nodes * group.degree)
                yield slice(start, start + nodes), edges, (nodes, group.degree)

    def arrange(self, values: Tensor) -> Tensor:
        """Bring what belongs to the edges into their order here: (E, …) → (E, …)."""
        return values if self.order is None else values.index_select(0, self.order)

    def from_source(self, values: Tensor) -> Tensor:
        """Give each arranged edge the value of its source: (N, …) → (E, …)."""
        return values.index_select(0, self.source)

    def of_edges(self, left: Tensor, right: Tensor) -> Tensor:
        """``Σ_e a_e ⊗ b_e`` of (E, K) and (E, C), both arranged: (N, K, C)."""
        return self._sum(left, right, at_source=False)

    def of_sources(self, left: Tensor, features: Tensor) -> Tensor:
        """``Σ_e a_e ⊗ x_j`` of (E, K), arranged, and the (N, C) features of sources: (N, K, C)."""
        return self._sum(left, features, at_source=True)

    def _sum(self, left: Tensor, right: Tensor, at_source: bool) -> Tensor:
        if self.order is not None:
            return _applied(_Sum, left, right, self, at_source)
        right = self.from_source(right) if at_source else right
        products = left.unsqueeze(2) * right.unsqueeze(1)  # (E, K, C)
        total = products.new_zeros(self.edges.num_nodes, *products.shape[1:])
        return total.index_add(0, self.edges.target, products)

    def rows(self, right: Tensor, edges: slice, at_source: bool) -> Tensor:
        """What a chunk of the edges has on the right-hand side."""
        return right.index_select(0, self.source[edges]) if at_source else right[edges]


def _applied(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    output: Tensor = function.apply(*inputs)  # type: ignore[no-untyped-call]
    return output


class _Sum(torch.autograd.Function):
    """(E, K), (E or N, C) → (N, K, C)."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, sums: OuterSums, at_source: bool) -> Tensor:
        ctx.sums, ctx.at_source = sums, at_source
        ctx.save_for_backward(left, right)
        width, channels = left.shape[1], right.shape[1]
        total = left.new_empty(sums.edges.num_nodes, width, channels)
        for nodes, edges, shape in sums.chunks(channels):
            a = left[edges].view(*shape, width).mT
            b = sums.rows(right, edges, at_source).view(*shape, channels)
            torch.bmm(a, b, out=total[nodes])
        return total.index_select(0, sums.position)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        left, right = ctx.saved_tensors
        rest = (ctx.sums, ctx.at_source)
        to_left = _applied(_Left, right, grads[0], *rest) if ctx.needs_input_grad[0] else None
        to_right = (
            _applied(_Right, left, grads[0], right, *rest) if ctx.needs_input_grad[1] else None
        )
        return to_left, to_right, None, None


class _Left(torch.autograd.Function):
    """(E or N, C), (N, K, C) → (E, K)."""

    @staticmethod
    def forward(ctx: Any, right: Tensor, form: Tensor, sums: OuterSums, at_source: bool) -> Tensor:
        ctx.sums, ctx.at_source = sums, at_source
        ctx.save_for_backward(right, form)
        width, channels = form.shape[1:]
        left = form.new_empty(len(sums.source), width)
        form = form.index_select(0, sums.nodes)
        for nodes, edges, shape in sums.chunks(channels):
            b = sums.rows(right, edges, at_source).view(*shape, channels)
            torch.bmm(b, form[nodes].mT, out=left[edges].view(*shape, width))
        return left

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        right, form = ctx.saved_tensors
        rest = (ctx.sums, ctx.at_source)
        to_right = (
            _applied(_Right, grads[0], form, right, *rest) if ctx.needs_input_grad[0] else None
        )
        to_form = _applied(_Sum, grads[0], right, *rest) if ctx.needs_input_grad[1] else None
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
        right = torch.zeros_like(like) if at_source else torch.empty_like(like)
        form = form.index_select(0, sums.nodes)
        for nodes, edges, shape in sums.chunks(channels):
            a = left[edges].view(*shape, width)
            if at_source:
                part = torch.bmm(a, form[nodes]).view(-1, channels)
                right.index_add_(0, sums.source[edges], part)
            else:
                torch.bmm(a, form[nodes], out=right[edges].view(*shape, channels))
        return right

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        left, form = ctx.saved_tensors
        rest = (ctx.sums, ctx.at_source)
        to_left = _applied(_Left, grads[0], form, *rest) if ctx.needs_input_grad[0] else None
        to_form = _applied(_Sum, left, grads[0], *rest) if ctx.needs_input_grad[1] else None
        return to_left, to_form, None, None, None
