"""Attention between all nodes of a graph: exact, and in time linear in the nodes.

Graphs of a batch are padded to the longest one, so that no loop runs over them; what fills a short
graph up is never attended to.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from hydria.nn.segments import Segments

# keeps the normaliser of the approximate attention above zero
SMALLEST = 1e-6
# of torch-geometric's performer: the least of a feature, channels of a head
SMALLEST_FEATURE = 1e-3
HEAD_CHANNELS = 64


class Padding:
    """Where the nodes of a batch stand in a (G, longest graph) array."""

    def __init__(self, graphs: Segments) -> None:
        self.graphs = graphs

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Graphs and the nodes of the longest one, each at least 1."""
        counts = self.graphs.counts
        longest = int(counts.max()) if len(counts) else 1
        return max(1, len(counts)), max(1, longest)

    @cached_property
    def slots(self) -> Tensor:
        """(N,) place of each node in the flat array."""
        index = self.graphs.index
        within = torch.arange(len(index), device=index.device) - self.graphs.offsets[index]
        return index * self.shape[1] + within

    @cached_property
    def filled(self) -> Tensor:
        """(G, longest) where there is a node."""
        flat = torch.zeros(math.prod(self.shape), dtype=torch.bool, device=self.slots.device)
        flat[self.slots] = True
        return flat.view(self.shape)

    def pad(self, values: Tensor) -> Tensor:
        """(N, …) → (G, longest, …), zeros where there is no node."""
        flat = values.new_zeros(math.prod(self.shape), *values.shape[1:])
        return flat.index_copy(0, self.slots, values).view(*self.shape, *values.shape[1:])

    def take(self, padded: Tensor) -> Tensor:
        """(G, longest, …) → (N, …)."""
        return padded.flatten(0, 1).index_select(0, self.slots)


class Attention(nn.Module, ABC):
    """Queries, keys and values of several heads, and the layer that joins what they found."""

    def __init__(self, width: int, heads: int, dim: int | None = None) -> None:
        """Make the layer.

        Args:
            width: channels of the nodes before and after, a multiple of `heads`.
            heads: attention heads.
            dim: channels of a head, without biases; None: `width / heads` of them, with biases.
        """
        super().__init__()
        self.heads, self.dim = heads, dim or width // heads
        inner = self.heads * self.dim
        self.in_proj = nn.Linear(width, 3 * inner, bias=dim is None)
        self.out_proj = nn.Linear(inner, width)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.out_proj.bias)
        if dim is None:
            nn.init.zeros_(self.in_proj.bias)

    def forward(self, x: Tensor, padding: Padding) -> Tensor:
        """Let the nodes of each graph look at one another: (N, width) → (N, width)."""
        projected = self.in_proj(x).view(len(x), 3, self.heads, self.dim)
        query, key, value = padding.pad(projected).permute(2, 0, 3, 1, 4)  # (G, H, L, D) each
        found = self.attend(query, key, value, padding.filled[:, None])
        joined: Tensor = self.out_proj(padding.take(found.transpose(1, 2)).flatten(1))
        return joined

    @abstractmethod
    def attend(self, query: Tensor, key: Tensor, value: Tensor, filled: Tensor) -> Tensor:
        """Values found by each query, (G, H, L, D); `filled` (G, 1, L) tells real nodes."""


class MultiheadAttention(Attention):
    """``softmax(Q Kᵀ / √d) V`` over the nodes of a graph.

    Written out, because the fused kernels cannot be differentiated twice, which forces need.

    Source: Vaswani et al. 2017, arXiv:1706.03762; oracle: torch.nn.MultiheadAttention.
    """

    def attend(self, query: Tensor, key: Tensor, value: Tensor, filled: Tensor) -> Tensor:
        """Every node with every other."""
        scores = query @ key.mT * query.shape[-1] ** -0.5  # (G, H, L, L)
        lowest = torch.finfo(scores.dtype).min
        weights = scores.masked_fill(~filled[:, :, None], lowest).softmax(-1)
        return torch.matmul(weights, value)


class PerformerAttention(Attention):
    """The same in time linear in the nodes: softmax kernels as positive random features.

    ``exp(q·k) = E[φ(q)·φ(k)]``, ``φ(u) = exp(w·u - |u|²/2)`` over random directions w, orthogonal
    in blocks. In training the directions are drawn anew every `interval` forward passes; they
    follow from a seed that is kept with the weights, so all ranks draw the same.

    Source: Choromanski et al. 2021, arXiv:2009.14794, section 2 and appendix B.
    """

    directions: Tensor
    seed: Tensor
    passes: Tensor

    def __init__(self, width: int, heads: int, interval: int, dim: int | None = None) -> None:
        """Make the layer; `interval` is the number of training passes between draws."""
        super().__init__(width, heads, dim)
        self.interval = interval
        dim = self.dim
        self.num_features = max(dim, int(dim * math.log(dim)))
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("passes", torch.zeros((), dtype=torch.long))
        self.register_buffer("directions", self._drawn(0, dim))
        self._count = 0  # `passes` where reading it costs no waiting for a device
        self.register_load_state_dict_post_hook(_recount)  # type: ignore[no-untyped-call]

    def _drawn(self, draw: int, dim: int) -> Tensor:
        """(features, dim) directions as long as those of normal variables."""
        generator = torch.Generator().manual_seed(int(self.seed) + draw)

        def normal() -> Tensor:
            return torch.randn(dim, dim, generator=generator, dtype=torch.float64)

        blocks = -(-self.num_features // dim)
        turns = (torch.linalg.qr(normal())[0].T for _ in range(blocks))
        rows = [turn * self._lengths(normal()) for turn in turns]
        return torch.cat(rows)[: self.num_features]

    def _lengths(self, rows: Tensor) -> Tensor:
        """(dim, 1) lengths of directions."""
        lengths: Tensor = rows.norm(dim=1, keepdim=True)
        return lengths

    def _advance(self) -> None:
        self._count += 1
        self.passes.add_(1)
        if self._count % self.interval == 0:
            new = self._drawn(self._count // self.interval, self.directions.shape[1])
            self.directions.copy_(new)

    def forward(self, x: Tensor, padding: Padding) -> Tensor:
        """See `Attention.forward`."""
        if self.training:
            self._advance()
        return super().forward(x, padding)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, filled: Tensor) -> Tensor:
        """Sums over keys first, then queries."""
        real = filled.unsqueeze(-1)
        of_query, of_key = self._exponents(query), self._exponents(key)
        # a factor of all features of a query, or of all keys of a graph, cancels
        largest = of_key.masked_fill(~real, -torch.inf).detach().amax((2, 3), keepdim=True)
        largest = largest.clamp_min(torch.finfo(largest.dtype).min)
        query = (of_query - of_query.detach().amax(-1, keepdim=True)).exp() + SMALLEST
        key = ((of_key - largest).clamp_max(0.0).exp() + SMALLEST) * real
        return _found(query, key, value)

    def _exponents(self, values: Tensor) -> Tensor:
        """``w·u - |u|²/2`` of (…, D) values over d^¼: (…, features)."""
        scaled = values * values.shape[-1] ** -0.25
        squares = 0.5 * scaled.square().sum(-1, keepdim=True)
        exponents: Tensor = scaled @ self.directions.to(values.dtype).mT - squares
        return exponents


class ReLUPerformerAttention(PerformerAttention):
    """Random features ``relu(w·u)`` instead of those of softmax: what HydraGNN calls performer.

    Directions have unit length, heads 64 channels. What fills a short graph up has no weight, while
    in HydraGNN it has the smallest one, by which a graph depends on the size of the others.

    Source: Choromanski et al. 2021, arXiv:2009.14794, section 2.2, generalised attention; oracle:
    torch_geometric.nn.attention.PerformerAttention.
    """

    def __init__(self, width: int, heads: int, interval: int) -> None:
        """Make the layer; `interval` is the number of training passes between draws."""
        super().__init__(width, heads, interval, dim=HEAD_CHANNELS)

    def _lengths(self, rows: Tensor) -> Tensor:
        return torch.ones_like(rows[:, :1])

    def attend(self, query: Tensor, key: Tensor, value: Tensor, filled: Tensor) -> Tensor:
        """Sums over keys first, then queries."""
        directions = self.directions.to(value.dtype).mT
        query, key = ((part @ directions).relu() + SMALLEST_FEATURE for part in (query, key))
        return _found(query, key * filled.unsqueeze(-1), value)


def _found(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Values in proportion to products of (G, H, L, features) of queries and keys."""
    weights = query @ key.sum(2).unsqueeze(-1)  # (G, H, L, 1)
    return torch.matmul(query, key.mT @ value) / weights.clamp_min(SMALLEST**2)


def _recount(module: nn.Module, _: object) -> None:
    assert isinstance(module, PerformerAttention)
    module._count = int(module.passes)


ATTENTIONS: dict[str, Callable[[int, int, int], Attention]] = {
    "multihead": lambda width, heads, interval: MultiheadAttention(width, heads),
    "performer": PerformerAttention,
    "performer_relu": ReLUPerformerAttention,
}
