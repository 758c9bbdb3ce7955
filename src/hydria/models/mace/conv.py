"""The MACE layer: messages, products of features, linear layers between."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor, nn
from torch.nn import functional

from hydria.models.mace.messages import Products
from hydria.models.mace.product import ProductBasis
from hydria.models.mace.radial import RadialEmbedding
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from hydria.nn.irreps import Mixing, couplings
from hydria.nn.outer import OuterSums

# 1 / sqrt(mean of silu(z)² over a normal z), as e3nn scales activations
SILU_GAIN = 1.6791767923989418


class Surroundings:
    """What the layers want to know of the edges, computed once per batch."""

    def __init__(self, edges: Edges, pos: Tensor, lmax: int, radial: RadialEmbedding) -> None:
        vectors = edges.vectors(pos)
        self.edges, self.radial = edges, radial
        self.sums = OuterSums(edges, grouped=True)
        self.lengths = torch.linalg.vector_norm(vectors, dim=1)
        self.harmonics: Tensor = o3.spherical_harmonics(
            list(range(lmax + 1)), vectors, normalize=True, normalization="component"
        )
        self._basis: Tensor | None = None

    def basis(self, elements: Tensor) -> Tensor:
        """(E, num_radial); the first layer that asks has it computed."""
        if self._basis is None:
            self._basis = self.radial(self.lengths, self.edges, elements)
        return self._basis


class Sizes(NamedTuple):
    """Channels and degrees of a layer."""

    in_dim: int
    hidden_dim: int
    out_dim: int
    in_lmax: int
    out_lmax: int
    edge_lmax: int
    num_radial: int
    edge_dim: int


class MACEConv(nn.Module):
    """``h' = W B(A(h)) + V h``: messages A, their products B up to the order of correlation.

    Features are (N, (l + 1)², C): scalars in `NodeState.x`, the rest in `NodeState.equivariant`.

    The radial network sees both ends of the edge, as in MACE's block
    RealAgnosticAttResidualInteractionBlock, which is HydraGNN's choice; so its weights, and the
    outputs with them, do not go to zero smoothly at the cutoff unless the edges fade.

    Source: Batatia et al. 2022, arXiv:2206.07697.
    """

    def __init__(self, sizes: Sizes, messages: Messages, product: ProductBasis) -> None:
        """Make the layer.

        Args:
            sizes: channels and degrees.
            messages: A, of these sizes.
            product: B, of as many channels.
        """
        super().__init__()
        self.sizes = sizes
        width = sizes.hidden_dim
        self.messages = messages
        self.skip = Mixing(min(sizes.in_lmax, sizes.out_lmax), sizes.in_dim, width)
        self.product = product
        self.mix = Mixing(sizes.out_lmax, width, width)
        self.last = Mixing(sizes.out_lmax, width, sizes.out_dim)

    def forward(self, nodes: NodeState, edges: Edges, around: Surroundings) -> NodeState:
        """Convolve; `nodes` hold their elements."""
        assert nodes.elements is not None
        features = nodes.x.unsqueeze(1)
        if self.sizes.in_lmax and nodes.equivariant is not None:
            features = torch.cat([features, nodes.equivariant], dim=1)
        gathered = self.messages(features, nodes.elements, edges, around)
        mixed = self.mix(self.product(gathered, nodes.elements))
        skipped = self.skip(features)
        missing = mixed.shape[1] - skipped.shape[1]
        output = self.last(mixed + functional.pad(skipped, (0, 0, 0, missing)))
        rest = output[:, 1:] if self.sizes.out_lmax else None
        return NodeState(output[:, 0], rest, nodes.elements)


class Messages(nn.Module):
    """``A_i = Σ_j R(d, h_j, h_i) Y(r) h_j / avg_num_neighbors``, coupled and mixed."""

    def __init__(self, sizes: Sizes, avg_num_neighbors: float) -> None:
        super().__init__()
        paths = couplings(sizes.in_lmax, sizes.edge_lmax, sizes.edge_lmax)
        self.products = Products(paths)
        self.channels, self.num_radial = sizes.in_dim, sizes.num_radial
        self.scale = 1.0 / avg_num_neighbors
        # a path along scalars of the edge has a weight for each of them
        self.edge_dim = sizes.edge_dim
        self.repeats = [1 + sizes.edge_dim * (second == 0) for _, second, _ in paths]
        width = sizes.hidden_dim
        self.up = Mixing(sizes.in_lmax, sizes.in_dim, sizes.in_dim)
        self.down = Mixing(0, sizes.in_dim, width)
        self.first = nn.Parameter(torch.randn(sizes.num_radial + 2 * width, width))
        self.hidden = nn.Parameter(torch.randn(2, width, width))
        self.radial = nn.Parameter(torch.randn(width, sum(self.repeats) * sizes.in_dim))
        coefficients = self.products.couplings()
        self.mix = nn.ParameterList(
            torch.randn(len(tensor) * sizes.in_dim, width) for tensor in coefficients.values()
        )
        for degree, tensor in coefficients.items():
            self.register_buffer(f"couplings_{degree}", tensor, persistent=False)

    def forward(
        self, features: Tensor, elements: Tensor, edges: Edges, around: Surroundings
    ) -> Tensor:
        """(N, components, in_dim) → (N, components, hidden_dim)."""
        hidden = edges.faded(self.hidden_of(features, elements, edges, around))
        matrix = self.radial * self.scale_of_weights
        if self.edge_dim:
            hidden, matrix = self._along_scalars(hidden, matrix, edges)
        coupled = self.coupled(self.up(features), hidden, matrix, around)
        mixed = [
            part @ (weight * (len(weight) ** -0.5 * self.scale))
            for part, weight in zip(coupled, self.mix, strict=True)
        ]
        return torch.cat(mixed, dim=1)

    def coupled(
        self, features: Tensor, hidden: Tensor, matrix: Tensor, around: Surroundings
    ) -> list[Tensor]:
        """For each degree, (N, 2·degree+1, paths · C)."""
        summed = self.products.summed(
            features, hidden, matrix, around.harmonics, around.sums
        )  # (N, rows, C)
        return [self._of_degree(degree, summed) for degree in range(len(self.mix))]

    def _of_degree(self, degree: int, summed: Tensor) -> Tensor:
        coefficients = self.get_buffer(f"couplings_{degree}")  # (paths, 2l+1, rows)
        num_paths, components, _ = coefficients.shape
        coupled = coefficients.flatten(0, 1) @ summed  # (N, paths · (2l+1), C)
        coupled = coupled.view(-1, num_paths, components, self.channels)
        return coupled.transpose(1, 2).flatten(2)

    @property
    def scale_of_weights(self) -> float:
        """What e3nn divides the weights behind a hidden layer by, and its activation with it."""
        return SILU_GAIN / math.sqrt(len(self.radial))

    def hidden_of(
        self, features: Tensor, elements: Tensor, edges: Edges, around: Surroundings
    ) -> Tensor:
        """(E, hidden_dim): the radial network up to its last hidden layer."""
        basis = around.basis(elements)
        ends = self.down(features[:, :1]).squeeze(1)  # (N, width)
        first = self.first * len(self.first) ** -0.5
        by_basis, by_source, by_target = first.tensor_split(
            [self.num_radial, self.num_radial + ends.shape[1]]
        )
        hidden = edges.by_target.spread(ends @ by_target) + edges.from_source(ends @ by_source)
        hidden = functional.silu(torch.addmm(hidden, basis, by_basis))
        for weight in self.hidden:
            hidden = functional.silu(hidden @ (weight * self.scale_of_weights))
        return hidden

    def _along_scalars(self, hidden: Tensor, matrix: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Join the scalars of the edge, its features and the harmonic of degree 0.

        A path along scalars has a weight for each of them, and adds them up; so the hidden layer
        is repeated times each scalar, with a matrix for each.
        """
        assert edges.features is not None
        scale = (1 + self.edge_dim) ** -0.5
        repeated = (edges.features * scale).unsqueeze(2) * hidden.unsqueeze(1)
        starts = [sum(self.repeats[:n]) * self.channels for n in range(1, len(self.repeats))]
        parts = [part.view(len(part), -1, self.channels) for part in matrix.tensor_split(starts, 1)]
        # one matrix for each feature, then the one of the harmonic
        matrices = [
            torch.cat([self._of_scalar(part, n) for part in parts], dim=1)
            for n in range(self.edge_dim)
        ]
        own = [part[:, -1] * (scale if part.shape[1] > 1 else 1.0) for part in parts]
        joined = torch.cat([repeated.flatten(1), hidden], dim=1)
        return joined, torch.cat([*matrices, torch.cat(own, dim=1)])

    @staticmethod
    def _of_scalar(part: Tensor, number: int) -> Tensor:
        """(H, C) weights of a path for one feature of the edge; 0 where it is not along scalars."""
        return part[:, number] if part.shape[1] > 1 else torch.zeros_like(part[:, 0])
