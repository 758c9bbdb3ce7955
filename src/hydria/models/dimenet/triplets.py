"""Pairs of edges k → j → i, as blocks of the edges into and out of each node j.

The angular part of a triplet depends on both edges; all else on the first edge or on the second.
So the sum over k is, for each j, one matrix product (edges out × edges in · angular functions) ·
(edges in · angular functions × channels). Features of triplets are never made; for each
triplet there are only its angular functions, once per batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.functions import applied, plain

# numbers gathered at a time on a CPU, so that they stay in the cache: a megabyte in float32
CHUNK_SIZE = 1 << 18
# images whose offsets cancel to this (Å) are the same atom
SAME = 1e-4


class Group(NamedTuple):
    """Nodes with equally many edges in, and equally many out."""

    size: int
    num_in: int
    num_out: int
    edges_in: Tensor
    """(size · num_in,) edges k → j, node by node."""
    edges_out: Tensor
    """(size · num_out,) edges j → i, node by node."""
    rows: slice
    """Where the triplets are, as (size, num_out, num_in)."""


class Triplets:
    """All k → j → i of a batch with k ≠ i; another periodic image of i is another atom."""

    def __init__(self, edges: Edges) -> None:
        """Find the nodes with equally many edges.

        Args:
            edges: E edges sorted by target.
        """
        self.edges = edges
        self.groups: list[Group] = []
        self.num_triplets = 0
        if plain():
            self._pair()
        else:
            self._group()

    def _pair(self) -> None:
        """Every edge out with every edge in, as one group of groups of one."""
        edges = self.edges
        counts = edges.source.new_zeros(edges.num_nodes)
        counts = counts.index_add(0, edges.target, torch.ones_like(edges.target))
        first = counts.cumsum(0) - counts  # edges are sorted by target
        num_in = counts.index_select(0, edges.source)
        numbers = torch.arange(edges.source.shape[0], device=counts.device)
        self.edges_out = numbers.repeat_interleave(num_in)
        start = (num_in.cumsum(0) - num_in).index_select(0, self.edges_out)
        within = torch.arange(self.edges_out.shape[0], device=counts.device) - start
        place = first.index_select(0, edges.source.index_select(0, self.edges_out))
        self.edges_in = place + within

    def _group(self) -> None:
        edges = self.edges
        in_order, out_order = (ends.argsort(stable=True) for ends in (edges.target, edges.source))
        counts_in, counts_out = (
            torch.bincount(ends, minlength=edges.num_nodes) for ends in (edges.target, edges.source)
        )
        first_in, first_out = (counts.cumsum(0) - counts for counts in (counts_in, counts_out))
        kinds, kind_of = torch.unique(
            torch.stack((counts_in, counts_out)), dim=1, return_inverse=True
        )
        for number, (num_in, num_out) in enumerate(kinds.T.tolist()):
            nodes = (kind_of == number).nonzero()
            rows_in = first_in[nodes] + torch.arange(num_in, device=nodes.device)
            rows_out = first_out[nodes] + torch.arange(num_out, device=nodes.device)
            self._add(len(nodes), in_order[rows_in], out_order[rows_out])

    def _add(self, size: int, edges_in: Tensor, edges_out: Tensor) -> None:
        num_in, num_out = edges_in.shape[1], edges_out.shape[1]
        last = self.num_triplets + size * num_in * num_out
        rows = slice(self.num_triplets, last)
        group = Group(size, num_in, num_out, edges_in.flatten(), edges_out.flatten(), rows)
        self.groups.append(group)
        self.num_triplets = last

    def cosines(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Angles at i between j and k.

        Args:
            vectors: (E, 3) from source to target.

        Returns:
            (T,) cosines, and (T,) 1 for triplets and 0 where k is i itself.
        """
        if plain():
            pairs = Group(self.edges_out.shape[0], 1, 1, self.edges_in, self.edges_out, slice(None))
            return self._cosines(pairs, vectors)
        parts = [self._cosines(group, vectors) for group in self.groups]
        if not parts:
            return vectors.new_zeros(0), vectors.new_zeros(0)
        cosines, real = zip(*parts, strict=True)
        return torch.cat(cosines), torch.cat(real)

    def _cosines(self, group: Group, vectors: Tensor) -> tuple[Tensor, Tensor]:
        size, num_in, num_out = group[:3]
        to_j = vectors[group.edges_in].view(size, num_in, 3)
        to_i = vectors[group.edges_out].view(size, num_out, 3)
        dots = to_i @ to_j.mT  # (size, num_out, num_in)
        squares_in, squares_out = to_j.square().sum(2), to_i.square().sum(2)
        same = self._same(group)
        across = squares_in.unsqueeze(1) + squares_out.unsqueeze(2) + 2.0 * dots  # |k → i|²
        across = across.masked_fill(same, 1.0).clamp_min(SAME**2)
        numerator = (dots + squares_out.unsqueeze(2)).masked_fill(same, 0.0)
        cosines = numerator * across.rsqrt() * squares_out.rsqrt().unsqueeze(2)
        return cosines.flatten(), (~same).to(vectors.dtype).flatten()

    def _same(self, group: Group) -> Tensor:
        """(size, num_out, num_in): whether k is i, and not another image of it."""
        size, num_in, num_out = group[:3]
        source = self.edges.source[group.edges_in].view(size, 1, num_in)
        target = self.edges.target[group.edges_out].view(size, num_out, 1)
        same = source == target
        if self.edges.shifts is None:
            return same
        shift_in = self.edges.shifts[group.edges_in].view(size, 1, num_in, 3)
        shift_out = self.edges.shifts[group.edges_out].view(size, num_out, 1, 3)
        return same & ((shift_in + shift_out).abs().amax(3) < SAME)

    def summed(self, angular: Tensor, messages: Tensor) -> Tensor:
        """``Σ_k Σ_l a_l(kji) m_l(kj)`` for each edge j → i; differentiable as often as needed.

        Args:
            angular: (T, L) angular functions.
            messages: (E, L, C).

        Returns:
            (E, C).
        """
        return applied(_Sum, angular, messages, self)

    def filtered(self, angular: Tensor, radial: Tensor, weight: Tensor, values: Tensor) -> Tensor:
        """``Σ_k Σ_l a_l(kji) f_l(kj) x(kj)`` with the filters ``f_l = Σ_n r_ln w_ln``.

        The filters are the largest array of DimeNet; on a CPU they are made for a few nodes at a
        time, and again for the derivatives.

        Args:
            angular: (T, L) angular functions.
            radial: (E, L, R) radial functions.
            weight: (L, R, C) of the filters.
            values: (E, C) what the edges k → j say.

        Returns:
            (E, C).
        """
        if plain():
            messages = _filters(radial, weight) * values.unsqueeze(1)
            heard = (angular.unsqueeze(2) * messages.index_select(0, self.edges_in)).sum(1)
            return torch.zeros_like(values).index_add(0, self.edges_out, heard)
        return applied(_Filtered, angular, radial, weight, values, self)

    def chunks(self, width: int) -> Iterator[Group]:
        """All groups, cut so that `width` columns of their edges fit the cache."""
        for group in self.groups:
            triplets = group.num_in * group.num_out
            if not triplets:
                continue
            on_cpu = group.edges_in.device.type == "cpu"
            step = max(1, CHUNK_SIZE // (group.num_in * width)) if on_cpu else group.size
            for first in range(0, group.size, step):
                size = min(step, group.size - first)
                start = group.rows.start + first * triplets
                yield Group(
                    size,
                    group.num_in,
                    group.num_out,
                    group.edges_in[first * group.num_in :][: size * group.num_in],
                    group.edges_out[first * group.num_out :][: size * group.num_out],
                    slice(start, start + size * triplets),
                )


def _by_node(group: Group, angular: Tensor) -> Tensor:
    """(T, L) → (size, num_out, num_in · L)."""
    return angular[group.rows].view(group.size, group.num_out, -1)


class _Sum(torch.autograd.Function):
    """(T, L), (E, L, C) → (E, C)."""

    @staticmethod
    def forward(ctx: Any, angular: Tensor, messages: Tensor, triplets: Triplets) -> Tensor:
        ctx.triplets = triplets
        ctx.save_for_backward(angular, messages)
        num_edges, degrees, channels = messages.shape
        total = messages.new_zeros(num_edges, channels)
        for group in triplets.chunks(degrees * channels):
            found = messages.index_select(0, group.edges_in).view(group.size, -1, channels)
            sums = torch.bmm(_by_node(group, angular), found)
            total.index_copy_(0, group.edges_out, sums.view(-1, channels))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        angular, messages = ctx.saved_tensors
        to_angular = to_messages = None
        if ctx.needs_input_grad[0]:
            to_angular = applied(_Angular, messages, grads[0], ctx.triplets)
        if ctx.needs_input_grad[1]:
            to_messages = applied(_Messages, angular, grads[0], ctx.triplets)
        return to_angular, to_messages, None


def _filters(radial: Tensor, weight: Tensor) -> Tensor:
    """(e, L, R), (L, R, C) → (e, L, C)."""
    return torch.einsum("eln,lnc->elc", radial, weight)


class _Filtered(torch.autograd.Function):
    """`Triplets.filtered`."""

    @staticmethod
    def forward(
        ctx: Any,
        angular: Tensor,
        radial: Tensor,
        weight: Tensor,
        values: Tensor,
        triplets: Triplets,
    ) -> Tensor:
        ctx.triplets = triplets
        ctx.save_for_backward(angular, radial, weight, values)
        total = torch.zeros_like(values)
        channels = values.shape[1]
        for group in triplets.chunks(weight.shape[0] * channels):
            filters = _filters(radial.index_select(0, group.edges_in), weight)
            messages = filters.mul_(values.index_select(0, group.edges_in).unsqueeze(1))
            sums = torch.bmm(_by_node(group, angular), messages.reshape(group.size, -1, channels))
            total.index_copy_(0, group.edges_out, sums.view(-1, channels))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        angular, radial, weight, values = ctx.saved_tensors
        if torch.is_grad_enabled() or any(ctx.needs_input_grad[:2]):
            return *_by_parts(ctx, grads[0]), None
        to_weight, to_values = torch.zeros_like(weight), torch.zeros_like(values)
        for group in ctx.triplets.chunks(weight.shape[0] * values.shape[1]):
            found = grads[0].index_select(0, group.edges_out).view(group.size, -1, values.shape[1])
            back = torch.bmm(_by_node(group, angular).mT, found).view(-1, *weight.shape[::2])
            here = radial.index_select(0, group.edges_in)
            said = values.index_select(0, group.edges_in)
            to_values.index_copy_(0, group.edges_in, (_filters(here, weight) * back).sum(1))
            to_weight += torch.einsum("eln,elc->lnc", here, back.mul_(said.unsqueeze(1)))
        return None, None, to_weight, to_values, None


def _by_parts(ctx: Any, grad: Tensor) -> list[Tensor | None]:
    """The derivatives through filters and messages of all edges, to be differentiated again."""
    again = torch.is_grad_enabled()
    wanted = [n for n in range(4) if ctx.needs_input_grad[n]]
    with torch.enable_grad():
        # aliases, because some of the inputs depend on others through the layers before
        inputs = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]
        angular, radial, weight, values = inputs
        total = ctx.triplets.summed(angular, _filters(radial, weight) * values.unsqueeze(1))
        chosen = [inputs[n] for n in wanted]
        found = torch.autograd.grad(total, chosen, grad, create_graph=again)
    gradients: list[Tensor | None] = [None] * 4
    for place, gradient in zip(wanted, found, strict=True):
        gradients[place] = gradient
    return gradients


class _Messages(torch.autograd.Function):
    """(T, L), (E, C) → (E, L, C)."""

    @staticmethod
    def forward(ctx: Any, angular: Tensor, values: Tensor, triplets: Triplets) -> Tensor:
        ctx.triplets = triplets
        ctx.save_for_backward(angular, values)
        (num_edges, channels), degrees = values.shape, angular.shape[1]
        messages = values.new_zeros(num_edges, degrees, channels)
        for group in triplets.chunks(degrees * channels):
            found = values.index_select(0, group.edges_out).view(group.size, -1, channels)
            parts = torch.bmm(_by_node(group, angular).mT, found)
            messages.index_copy_(0, group.edges_in, parts.view(-1, degrees, channels))
        return messages

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        angular, values = ctx.saved_tensors
        to_angular = to_values = None
        if ctx.needs_input_grad[0]:
            to_angular = applied(_Angular, grads[0], values, ctx.triplets)
        if ctx.needs_input_grad[1]:
            to_values = applied(_Sum, angular, grads[0], ctx.triplets)
        return to_angular, to_values, None


class _Angular(torch.autograd.Function):
    """(E, L, C), (E, C) → (T, L)."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, values: Tensor, triplets: Triplets) -> Tensor:
        ctx.triplets = triplets
        ctx.save_for_backward(messages, values)
        _, degrees, channels = messages.shape
        angular = values.new_zeros(triplets.num_triplets, degrees)
        for group in triplets.chunks(degrees * channels):
            found = messages.index_select(0, group.edges_in).view(group.size, -1, channels)
            to = values.index_select(0, group.edges_out).view(group.size, -1, channels)
            torch.bmm(to, found.mT, out=_by_node(group, angular))
        return angular

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        messages, values = ctx.saved_tensors
        to_messages = to_values = None
        if ctx.needs_input_grad[0]:
            to_messages = applied(_Messages, grads[0], values, ctx.triplets)
        if ctx.needs_input_grad[1]:
            to_values = applied(_Sum, grads[0], messages, ctx.triplets)
        return to_messages, to_values, None
