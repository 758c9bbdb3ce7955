"""Sums over neighbours of features times weights times spherical harmonics.

``T_i = Σ_e Y_e ⊗ (w_e ⊙ h_j)`` with ``w_e = g_e M``: for each pair of degrees, all products of a
component of the harmonics and a component of the source's features, weighted per channel and path
by the last layer of a radial network, and summed over the edges into i. Couplings are applied to
the sums, at the nodes.

The weights are the largest array of MACE (edges × paths × channels), and so are the products. On
a CPU both are made for a few nodes at a time, stay in the cache, and are made again for the
derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.functions import applied, plain
from hydria.nn.irreps import Path, clebsch_gordan, span
from hydria.nn.outer import Chunk, OuterSums

# the factors of the form by number; what belongs to edges is written once for each of them
FEATURES, HIDDEN, MATRIX, HARMONICS, FORM = range(5)
OF_EDGES = (HIDDEN, HARMONICS)


class Block(NamedTuple):
    """The paths of one pair of degrees."""

    nodes: slice
    """Components of the features."""
    paths: slice
    columns: slice
    """Where its (paths, nodes) are among the columns of its group."""


class Group(NamedTuple):
    """The blocks of one degree of the harmonics, which one matrix product serves."""

    harmonics: slice
    """Components of the harmonics."""
    blocks: list[Block]
    width: int
    """Columns of all blocks."""
    rows: slice
    """Where the products are, as (harmonics, columns)."""


class Products:
    """The products that `paths`, sorted by l₁ and l₂, need."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self.groups: list[Group] = []
        self.num_rows = 0
        for second in sorted({path[1] for path in self.paths}):
            blocks, width = [], 0
            for first in dict.fromkeys(path[0] for path in self.paths if path[1] == second):
                places = [n for n, path in enumerate(self.paths) if path[:2] == (first, second)]
                columns = slice(width, width + (2 * first + 1) * len(places))
                blocks.append(Block(span(first), slice(places[0], places[-1] + 1), columns))
                width = columns.stop
            rows = slice(self.num_rows, self.num_rows + (2 * second + 1) * width)
            self.groups.append(Group(span(second), blocks, width, rows))
            self.num_rows = rows.stop
        # the most numbers that are made for an edge and a channel at a time
        self.width = max(len(self.paths), *(group.width for group in self.groups))

    def couplings(self) -> dict[int, Tensor]:
        """For each l₃, (paths to it, 2l₃+1, num_rows) coefficients of the products."""
        found: dict[int, list[Tensor]] = {}
        for place, path in enumerate(self.paths):
            group, block = next(
                (group, block)
                for group in self.groups
                for block in group.blocks
                if block.paths.start <= place < block.paths.stop
            )
            coefficients = clebsch_gordan(path)  # (nodes, harmonics, out)
            nodes, harmonics, out = coefficients.shape
            dense = torch.zeros(out, self.num_rows, dtype=torch.float64)
            rows = dense[:, group.rows].view(out, harmonics, group.width)[:, :, block.columns]
            own = torch.unflatten(rows, 2, (-1, nodes))[:, :, place - block.paths.start]
            own.copy_(coefficients.permute(2, 1, 0))
            found.setdefault(path[2], []).append(dense)
        return {degree: torch.stack(tensors) for degree, tensors in sorted(found.items())}

    def summed(
        self, features: Tensor, hidden: Tensor, matrix: Tensor, harmonics: Tensor, sums: OuterSums
    ) -> Tensor:
        """Sum the products over the edges; differentiable as often as needed.

        Args:
            features: (N, components, C) of the nodes.
            hidden: (E, H) last hidden layer of the radial network.
            matrix: (H, paths · C) its last weights.
            harmonics: (E, components).
            sums: the edges, grouped.

        Returns:
            (N, num_rows, C).
        """
        if plain():
            return self._plainly(features, hidden @ matrix, harmonics, sums.edges)
        shape = (sums.edges.num_nodes, self.num_rows, features.shape[2])
        like = features.new_empty(1).expand(shape)
        return applied(_Derivative, self, sums, FORM, features, hidden, matrix, harmonics, like)

    def _plainly(
        self, features: Tensor, weights: Tensor, harmonics: Tensor, edges: Edges
    ) -> Tensor:
        """The same from (E, paths · C) weights, with products of all edges at once."""
        channels = features.shape[2]
        weights = weights.view(-1, len(self.paths), channels)
        gathered = features.index_select(0, edges.source)
        parts = []
        for group in self.groups:
            products = [
                weights[:, block.paths].unsqueeze(2) * gathered[:, block.nodes].unsqueeze(1)
                for block in group.blocks
            ]
            weighted = torch.cat([product.flatten(1) for product in products], dim=1)
            along = harmonics[:, group.harmonics].unsqueeze(2) * weighted.unsqueeze(1)
            total = along.new_zeros(edges.num_nodes, *along.shape[1:])
            total = total.index_add(0, edges.target, along)
            parts.append(total.view(edges.num_nodes, -1, channels))
        return torch.cat(parts, dim=1)


class _Derivative(torch.autograd.Function):
    """The derivative of ``Σ h (g M) Y G`` with respect to one of the five.

    Of that one only the shape counts. The derivatives of the derivative are of the same kind, with
    the gradient in its place.
    """

    @staticmethod
    def forward(
        ctx: Any, products: Products, sums: OuterSums, place: int, *factors: Tensor
    ) -> Tensor:
        ctx.products, ctx.sums, ctx.place = products, sums, place
        ctx.save_for_backward(*factors)
        like = factors[place]
        make = like.new_empty if place in OF_EDGES else like.new_zeros
        result = make(like.shape)
        for work in _works(products, sums, factors, arrange=place != FORM):
            KERNELS[place](work, result)
        return result.index_select(0, sums.position) if place == FORM else result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        factors = list(ctx.saved_tensors)
        factors[ctx.place] = grads[0]
        needed = [n != ctx.place and ctx.needs_input_grad[3 + n] for n in range(5)]
        return None, None, None, *_derivatives(ctx.products, ctx.sums, needed, factors)


class _Three(torch.autograd.Function):
    """The derivatives with respect to features, hidden layer and matrix at once."""

    @staticmethod
    def forward(
        ctx: Any, products: Products, sums: OuterSums, *factors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.products, ctx.sums = products, sums
        ctx.save_for_backward(*factors)
        features, matrix = torch.zeros_like(factors[0]), torch.zeros_like(factors[2])
        hidden = torch.empty_like(factors[1])
        for work in _works(products, sums, factors):
            work.to_three(features, hidden, matrix)
        return features, hidden, matrix

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        total: list[Tensor | None] = [None] * 5
        for place, grad in enumerate(grads):
            factors = list(ctx.saved_tensors)
            factors[place] = grad
            needed = [n != place and ctx.needs_input_grad[2 + n] for n in range(5)]
            parts = _derivatives(ctx.products, ctx.sums, needed, factors)
            total = [
                a if b is None else b if a is None else a + b
                for a, b in zip(total, parts, strict=True)
            ]
        return None, None, *total


def _derivatives(
    products: Products, sums: OuterSums, needed: Sequence[bool], factors: Sequence[Tensor]
) -> list[Tensor | None]:
    """The derivatives with respect to those of the five factors that are needed."""
    found: list[Tensor | None] = [None] * 5
    if all(needed[:3]):
        found[:3] = _Three.apply(products, sums, *factors)  # type: ignore[no-untyped-call]
    for place in range(5):
        if needed[place] and found[place] is None:
            found[place] = applied(_Derivative, products, sums, place, *factors)
    return found


def _works(
    products: Products, sums: OuterSums, factors: Sequence[Tensor], arrange: bool = True
) -> Iterator[_Work]:
    """What is to be done, chunk by chunk; nodes without edges need nothing."""
    factors = list(factors)
    if arrange:
        factors[FORM] = factors[FORM].index_select(0, sums.nodes)
    for chunk in sums.chunks(products.width * factors[FEATURES].shape[2]):
        if chunk.edges.numel():
            yield _Work(products, sums, chunk, factors)


class _Work:
    """What the derivatives have to do for the edges of one chunk; gathered when first used."""

    def __init__(
        self, products: Products, sums: OuterSums, chunk: Chunk, factors: Sequence[Tensor]
    ) -> None:
        self.groups, self.num_paths = products.groups, len(products.paths)
        self.chunk, self.factors = chunk, factors
        self.source = sums.edges.source.index_select(0, chunk.edges)

    @cached_property
    def features(self) -> Tensor:
        """(edges, components, C)."""
        return self.factors[FEATURES].index_select(0, self.source)

    @cached_property
    def hidden(self) -> Tensor:
        """(edges, H)."""
        return self.factors[HIDDEN].index_select(0, self.chunk.edges)

    @cached_property
    def weights(self) -> Tensor:
        """(edges, paths, C)."""
        weights = self.hidden @ self.factors[MATRIX]
        return weights.view(len(weights), self.num_paths, self.features.shape[2])

    @cached_property
    def harmonics(self) -> Tensor:
        """(n, degree, components)."""
        found = self.factors[HARMONICS].index_select(0, self.chunk.edges)
        return found.view(*self.chunk.shape, found.shape[1])

    def weighted(self, group: Group) -> Tensor:
        """(n, degree, columns · C) weights times features."""
        weighted = self.features.new_empty(len(self.source), group.width, self.features.shape[2])
        for block in group.blocks:
            weights = self.weights[:, block.paths].unsqueeze(2)
            out = _of_block(weighted, block)
            torch.mul(weights, self.features[:, block.nodes].unsqueeze(1), out=out)
        return weighted.view(*self.chunk.shape, -1)

    def form(self, group: Group) -> Tensor:
        """(n, harmonics, columns · C)."""
        components = group.harmonics.stop - group.harmonics.start
        rows = self.factors[FORM][self.chunk.places, group.rows]
        return rows.reshape(self.chunk.shape[0], components, -1)

    def back(self) -> Iterator[tuple[Block, Tensor]]:
        """For each block, (edges, paths, components, C): the form along the edges' harmonics."""
        for group in self.groups:
            along = torch.bmm(self.harmonics[:, :, group.harmonics], self.form(group))
            columns = along.view(-1, group.width, self.features.shape[2])
            for block in group.blocks:
                yield block, _of_block(columns, block)

    def to_features(self, result: Tensor) -> None:
        """Add to (N, components, C)."""
        part = torch.zeros_like(self.features)
        for block, back in self.back():
            self._add_to_features(block, back, part)
        result.index_add_(0, self.source, part)

    def to_weights(self) -> Tensor:
        """(edges, paths · C)."""
        part = self.features.new_empty(len(self.source), self.num_paths, self.features.shape[2])
        for block, back in self.back():
            self._write_to_weights(block, back, part)
        return part.flatten(1)

    def to_hidden(self, result: Tensor) -> None:
        """Write to (E, H)."""
        result.index_copy_(0, self.chunk.edges, self.to_weights() @ self.factors[MATRIX].T)

    def to_matrix(self, result: Tensor) -> None:
        """Add to (H, paths · C)."""
        result.addmm_(self.hidden.T, self.to_weights())

    def to_three(self, of_features: Tensor, of_hidden: Tensor, of_matrix: Tensor) -> None:
        """What `to_features`, `to_hidden` and `to_matrix` do, with a third of the work."""
        features, weights = torch.zeros_like(self.features), torch.empty_like(self.weights)
        for block, back in self.back():
            self._add_to_features(block, back, features)
            self._write_to_weights(block, back, weights)
        of_features.index_add_(0, self.source, features)
        of_hidden.index_copy_(0, self.chunk.edges, weights.flatten(1) @ self.factors[MATRIX].T)
        of_matrix.addmm_(self.hidden.T, weights.flatten(1))

    def to_harmonics(self, result: Tensor) -> None:
        """Write to (E, components)."""
        part = self.features.new_zeros(*self.chunk.shape, result.shape[1])
        for group in self.groups:
            part[:, :, group.harmonics] = self.weighted(group) @ self.form(group).mT
        result.index_copy_(0, self.chunk.edges, part.flatten(0, 1))

    def to_form(self, result: Tensor) -> None:
        """Write to (N, num_rows, C), nodes as they are grouped."""
        for group in self.groups:
            total = self.harmonics[:, :, group.harmonics].mT @ self.weighted(group)
            result[self.chunk.places, group.rows] = total.view(len(total), -1, result.shape[2])

    def _add_to_features(self, block: Block, back: Tensor, part: Tensor) -> None:
        for place, path in enumerate(range(block.paths.start, block.paths.stop)):
            part[:, block.nodes].addcmul_(back[:, place], self.weights[:, path].unsqueeze(1))

    def _write_to_weights(self, block: Block, back: Tensor, part: Tensor) -> None:
        target, features = part[:, block.paths], self.features[:, block.nodes].unsqueeze(1)
        torch.mul(back[:, :, 0], features[:, :, 0], out=target)
        for component in range(1, back.shape[2]):
            target.addcmul_(back[:, :, component], features[:, :, component])


def _of_block(columns: Tensor, block: Block) -> Tensor:
    """(edges, columns of a group, C) → (edges, paths, components, C) of one of its blocks."""
    components = block.nodes.stop - block.nodes.start
    return torch.unflatten(columns[:, block.columns], 1, (-1, components))


KERNELS: tuple[Callable[[_Work, Tensor], None], ...] = (
    _Work.to_features,
    _Work.to_hidden,
    _Work.to_matrix,
    _Work.to_harmonics,
    _Work.to_form,
)
