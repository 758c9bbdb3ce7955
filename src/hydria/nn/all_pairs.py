"""Attention between all pairs of nodes of a graph, with values that turn with the structure.

Features are (N, (l + 1)², C), as `hydria.nn.irreps` has them.
"""

from __future__ import annotations

import math

import torch
from e3nn import o3
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from hydria.nn.attention import Padding
from hydria.nn.irreps import Mixing, clebsch_gordan, couplings, span

# keeps lengths and mean squares above zero
SMALLEST = 1e-8


class RMSNorm(nn.Module):
    """All features of a node divided by the root of their mean square, times one gain.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467; over whole irreps, so nothing is turned.
    """

    def __init__(self) -> None:
        """Start at gain 1."""
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, features: Tensor) -> Tensor:
        """(N, components, C)."""
        squares = features.square().mean((1, 2), keepdim=True)
        return self.gain * features * torch.rsqrt(squares + SMALLEST)


class FeedForward(nn.Module):
    """Two linear layers; between them the length n of each feature becomes ``silu(n)``.

    Oracle: e3nn.nn.NormActivation.
    """

    def __init__(self, lmax: int, width: int, hidden_dim: int) -> None:
        """Make the layers for features of `width` channels."""
        super().__init__()
        self.lmax = lmax
        self.first, self.second = Mixing(lmax, width, hidden_dim), Mixing(lmax, hidden_dim, width)

    def forward(self, features: Tensor) -> Tensor:
        """(N, components, width)."""
        hidden = self.first(features)
        parts = [hidden[:, span(degree)] for degree in range(self.lmax + 1)]
        output: Tensor = self.second(torch.cat([self._activated(part) for part in parts], dim=1))
        return output

    @staticmethod
    def _activated(part: Tensor) -> Tensor:
        """``v / |v| · silu(|v|) = v · sigmoid(|v|)`` of the (N, 2l+1, C) features of a degree."""
        squares = part.square().sum(1, keepdim=True)
        return part * torch.sigmoid(squares.clamp_min(SMALLEST**2).sqrt())


class PairAttention(nn.Module):
    """``f_i' = W Σ_j softmax_j(q_i · k_j / √dim) R(d_ij) (f_j ⊗ Y(r_ij))`` over all j ≠ i.

    Each head has queries and keys of the whole width, and weights R of its own for all couplings
    of the source's features and the spherical harmonics, from a radial network. Distances are
    expanded in Gaussians of ``d / (1 + d)``.

    The weights are linear in the last hidden layer of the radial network; so sums over the sources
    are taken of outer products of that layer, harmonics and features, and the weights are applied
    to the sums: they are never made for a pair. Targets are taken a few at a time, each with all
    its sources, and made again for the derivatives, which bounds the memory.

    Source: HydraGNN's EquivariantTransformer; Fuchs et al. 2020, arXiv:2006.10503, for invariant
    weights times equivariant values; oracle: e3nn's layers in tests/numerics.
    """

    centers: Tensor

    def __init__(
        self,
        lmax: int,
        width: int,
        *,
        heads: int,
        edge_lmax: int,
        num_radial: int,
        chunk_size: int | None,
    ) -> None:
        """Make the layer.

        Args:
            lmax: highest degree of the features.
            width: their channels.
            heads: attention heads.
            edge_lmax: highest degree of the spherical harmonics.
            num_radial: Gaussians, and width of the radial network.
            chunk_size: targets at a time, or None for all.
        """
        super().__init__()
        self.lmax, self.width, self.heads = lmax, width, heads
        self.edge_lmax, self.chunk_size = edge_lmax, chunk_size
        self.query, self.key = (Mixing(lmax, width, heads * width) for _ in range(2))
        self.output = Mixing(lmax, heads * width, width)
        centers = torch.linspace(0.0, 1.0, num_radial, dtype=torch.float64)
        self.register_buffer("centers", centers, persistent=False)
        self.radial = nn.Linear(num_radial, num_radial)
        paths = couplings(lmax, edge_lmax, lmax)
        bound = num_radial**-0.5  # as torch.nn.Linear starts
        # of each hidden channel, and last of its bias
        start = torch.empty(num_radial + 1, heads, len(paths), width, width)
        self.values = nn.Parameter(start.uniform_(-bound, bound))
        self.places = [[n for n, p in enumerate(paths) if p[2] == d] for d in range(lmax + 1)]
        for degree, places in enumerate(self.places):
            tensors = [self._dense(paths[place]) for place in places]
            self.register_buffer(f"couplings_{degree}", torch.cat(tensors), persistent=False)

    def _dense(self, path: tuple[int, int, int]) -> Tensor:
        """(2l₃+1, harmonics · components) coefficients of all products."""
        first, second, third = path
        shape = (2 * third + 1, (self.edge_lmax + 1) ** 2, (self.lmax + 1) ** 2)
        dense = torch.zeros(shape, dtype=torch.float64)
        coefficients = clebsch_gordan(path).permute(2, 1, 0)
        dense[:, span(second), span(first)] = coefficients
        return dense.flatten(1)

    def forward(self, features: Tensor, pos: Tensor, padding: Padding) -> Tensor:
        """Let the nodes of each graph look at one another.

        Args:
            features: (N, (lmax + 1)², width).
            pos: (N, 3), Å, of structures without periodic images.
            padding: the graphs.

        Returns:
            As `features`.
        """
        graphs, longest = padding.shape
        query, key = (
            padding.pad(layer(features).unflatten(2, (self.heads, -1))).transpose(2, 3)
            for layer in (self.query, self.key)
        )  # (G, L, heads, components, C)
        query, key = (part.flatten(3).transpose(1, 2) for part in (query, key))
        sources = padding.pad(features).flatten(2)  # (G, L, components · C)
        places, filled = padding.pad(pos), padding.filled
        step = longest if self.chunk_size is None else max(1, self.chunk_size // graphs)
        chunks = [slice(first, first + step) for first in range(0, longest, step)]
        parts = []
        for chunk in chunks:
            inputs = (query, key, sources, places, filled, chunk)
            if len(chunks) > 1 and torch.is_grad_enabled():
                parts.append(checkpoint(self._targets, *inputs, use_reentrant=False))
            else:
                parts.append(self._targets(*inputs))
        return padding.take(torch.cat(parts, dim=1))

    def _targets(
        self,
        query: Tensor,
        key: Tensor,
        sources: Tensor,
        places: Tensor,
        filled: Tensor,
        chunk: slice,
    ) -> Tensor:
        """(G, targets, components, C) of some targets of each graph."""
        indices = torch.arange(len(places[0]), device=places.device)
        seen = filled.unsqueeze(1) & (indices[chunk].unsqueeze(1) != indices)  # (G, t, L)
        scores = query[:, :, chunk] @ key.mT * query.shape[-1] ** -0.5
        hidden_from = ~seen.unsqueeze(1)
        scores = scores.masked_fill(hidden_from, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1).masked_fill(hidden_from, 0.0)  # (G, heads, t, L)
        around = self._around(places.unsqueeze(1) - places[:, chunk].unsqueeze(2), seen)
        left = weights.transpose(1, 2).unsqueeze(3) * around.unsqueeze(2)
        summed = left.flatten(1, 3) @ sources  # (G, t · heads · radial · harmonics, …)
        coupled = self._coupled(summed.view(-1, self.heads, *self._form))
        mixed: Tensor = self.output(coupled)
        return mixed.view(len(filled), -1, *mixed.shape[1:])

    @property
    def _form(self) -> tuple[int, int, int]:
        """Hidden channels and their bias; harmonics times components; channels."""
        products = (self.edge_lmax + 1) ** 2 * (self.lmax + 1) ** 2
        return len(self.values), products, self.width

    def _around(self, apart: Tensor, seen: Tensor) -> Tensor:
        """(G, t, radial · harmonics, L) what is known of (G, t, L, 3) vectors to the sources."""
        somewhere = apart.new_tensor([1.0, 0.0, 0.0])
        apart = torch.where(seen.unsqueeze(3), apart, somewhere)
        lengths = torch.linalg.vector_norm(apart, dim=3, keepdim=True)
        sharpness = max(len(self.centers) - 1, 1)
        nearness = lengths / (1.0 + lengths) - self.centers.to(apart.dtype)
        hidden = functional.silu(self.radial(torch.exp(-(sharpness**2) * nearness.square())))
        hidden = torch.cat([hidden, torch.ones_like(hidden[..., :1])], dim=3)
        harmonics: Tensor = o3.spherical_harmonics(
            list(range(self.edge_lmax + 1)), apart, normalize=True, normalization="component"
        )
        joined = hidden.mT.unsqueeze(3) * harmonics.mT.unsqueeze(2)
        return joined.flatten(2, 3)

    def _coupled(self, summed: Tensor) -> Tensor:
        """(M, heads, radial, products, C) → (M, components, heads · C)."""
        parts = []
        for degree, places in enumerate(self.places):
            coefficients = self.get_buffer(f"couplings_{degree}")
            coupled = coefficients.to(summed.dtype) @ summed
            form = (*coupled.shape[:3], len(places), 2 * degree + 1, self.width)
            coupled = coupled.view(form)
            rows = coupled.permute(1, 0, 4, 2, 3, 5)  # (heads, M, 2l+1, radial, paths, C)
            matrix = self.values[:, :, places].transpose(0, 1).flatten(1, 3)
            scale = 1.0 / math.sqrt(len(places) * self.width)
            parts.append(torch.einsum("hmck,hkd->mchd", rows.flatten(3), matrix * scale))
        return torch.cat(parts, dim=1).flatten(2)
