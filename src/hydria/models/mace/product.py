"""The symmetric contraction of MACE: products of an atom's features with weights by element."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hydria.models.mace.couplings import independent, monomials, products_of_features

NUM_ELEMENTS = 118


class ProductBasis(nn.Module):
    """``B_LM = Σ_ν Σ_k W_ν[z, k] Σ U_ν[LM, i…, k] A_i …``, a factor A for each of ν indices.

    All products of the features are made once, as monomials; one matrix product couples them for
    all nodes, and what depends on the element is applied last, to few numbers. Couplings that
    coincide because the factors are equal share a column: their weights add up.

    Source: Batatia et al. 2022, arXiv:2206.07697, eqs. (10) and (11).
    """

    def __init__(self, in_lmax: int, out_lmax: int, correlation: int, channels: int) -> None:
        """Make the product.

        Args:
            in_lmax, out_lmax: highest degrees of the features and of the products.
            correlation: most factors.
            channels: C.
        """
        super().__init__()
        self.correlation, self.num_degrees = correlation, out_lmax + 1
        self.weights = nn.ParameterDict()
        self.size = (in_lmax + 1) ** 2
        for order in range(2, correlation + 1):
            index = torch.tensor(monomials(self.size, order))
            self.register_buffer(f"monomials_{order}", self._factors(index), persistent=False)
        for degree in range(out_lmax + 1):
            self._register(degree, in_lmax, channels)

    def _register(self, degree: int, in_lmax: int, channels: int) -> None:
        """Couplings and weights of all orders to one degree."""
        blocks = []
        for order in range(1, self.correlation + 1):
            columns = products_of_features(in_lmax, order, degree)
            start = torch.randn(NUM_ELEMENTS, columns.shape[2], channels) / columns.shape[2]
            self.weights[f"{degree}_{order}"] = nn.Parameter(start)
            basis, mixing = independent(columns)
            self.register_buffer(f"mixing_{degree}_{order}", mixing, persistent=False)
            blocks.append(basis)
        ranks = [block.shape[2] for block in blocks]
        joined = torch.zeros(
            2 * degree + 1, sum(ranks), sum(block.shape[1] for block in blocks), dtype=torch.float64
        )
        row = column = 0
        for block in blocks:
            joined[:, column : column + block.shape[2], row : row + block.shape[1]] = block.mT
            row, column = row + block.shape[1], column + block.shape[2]
        self.register_buffer(f"couplings_{degree}", joined, persistent=False)

    def _factors(self, index: Tensor) -> Tensor:
        """(2, count): each monomial as one of the order below, and one more feature."""
        order = index.shape[1]
        below = {indices: n for n, indices in enumerate(monomials(self.size, order - 1))}
        first = torch.tensor([below[tuple(row)] for row in index[:, :-1].tolist()])
        return torch.stack([first, index[:, -1]])

    def forward(self, features: Tensor, elements: Tensor) -> Tensor:
        """(N, (in_lmax+1)², C), (N,) elements from 0 → (N, (out_lmax+1)², C)."""
        products = [features]
        for order in range(2, self.correlation + 1):
            first, last = self.get_buffer(f"monomials_{order}")
            products.append(products[-1].index_select(1, first) * features.index_select(1, last))
        joined = torch.cat(products, dim=1)  # (N, monomials of all orders, C)
        outputs = [self._product(degree, joined, elements) for degree in range(self.num_degrees)]
        return torch.cat(outputs, dim=1)

    def _product(self, degree: int, joined: Tensor, elements: Tensor) -> Tensor:
        """(N, 2·degree+1, C)."""
        couplings = self.get_buffer(f"couplings_{degree}")
        coupled = couplings.flatten(0, 1) @ joined
        coupled = coupled.view(-1, *couplings.shape[:2], joined.shape[2])  # (N, 2l+1, ranks, C)
        weights = self.mixed(degree).index_select(0, elements)
        weighted: Tensor = coupled * weights.unsqueeze(1)
        return weighted.sum(2)

    def mixed(self, degree: int) -> Tensor:
        """(elements, ranks, C) weights of the independent couplings to a degree."""
        return torch.cat(
            [
                torch.einsum(
                    "rk,zkc->zrc",
                    self.get_buffer(f"mixing_{degree}_{order}"),
                    self.weights[f"{degree}_{order}"],
                )
                for order in range(1, self.correlation + 1)
            ],
            dim=1,
        )
