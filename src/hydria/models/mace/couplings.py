"""Constant coefficients: couplings of many equal features to one of a degree."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import torch
from e3nn import o3
from torch import Tensor

from hydria.nn.irreps import natural, span

# from this order on only intermediate features of natural parity are kept: they become too many
NATURAL_PARITY_ORDER = 4
# singular values of a coupling's basis that are no rounding
INDEPENDENT = 1e-9


def monomials(num_features: int, order: int) -> list[tuple[int, ...]]:
    """Products of `order` of the features, each once: ascending indices."""
    return list(combinations_with_replacement(range(num_features), order))


@cache
def products_of_features(lmax: int, order: int, degree: int) -> Tensor:
    """All couplings of `order` equal features to one of a degree.

    Args:
        lmax: degrees of the features, 0 … lmax.
        order: number of factors.
        degree: of the product.

    Returns:
        (2·degree+1, number of `monomials`, couplings): coefficients of monomials. As one feature
        is multiplied by itself, couplings that differ in the order of the factors coincide.

    Source: Batatia et al. 2022, arXiv:2206.07697, eqs. (10) and (11).
    """
    size = (lmax + 1) ** 2
    place = {indices: number for number, indices in enumerate(monomials(size, order))}
    all_indices = torch.cartesian_prod(*[torch.arange(size)] * order).view(-1, order)
    target = torch.tensor([place[tuple(row)] for row in all_indices.sort(1).values.tolist()])
    columns = features_coupled(lmax, order, degree)
    full = columns.view(2 * degree + 1, size**order, -1)
    total = full.new_zeros(2 * degree + 1, len(place), columns.shape[1])
    return total.index_add(1, target, full)


def features_coupled(lmax: int, order: int, degree: int) -> Tensor:
    """((2·degree+1) · (lmax+1)^(2·order), couplings): the coefficients of products in any order."""
    columns = [tensor for irrep, tensor in _coupled(lmax, order, order) if irrep == natural(degree)]
    return torch.stack([column.flatten() for column in columns], dim=1)


@cache
def _coupled(lmax: int, order: int, last_order: int) -> list[tuple[o3.Irrep, Tensor]]:
    """Irreps that products of features contain, each with its (2l+1, size, …, size) tensor.

    Features are coupled one after the other; the list is sorted by irrep, and within an irrep by
    the couplings before.
    """
    size = (lmax + 1) ** 2
    identity = torch.eye(size, dtype=torch.float64)
    if order == 1:
        return [(natural(degree), identity[span(degree)]) for degree in range(lmax + 1)]
    found = []
    for before, tensor in _coupled(lmax, order - 1, last_order):
        for degree in range(lmax + 1):
            for irrep in before * natural(degree):
                if last_order >= NATURAL_PARITY_ORDER and irrep.p != (-1) ** irrep.l:
                    continue
                found.append((irrep, _joined(tensor, degree, irrep, identity[span(degree)])))
    return sorted(found, key=lambda pair: pair[0])


def _joined(tensor: Tensor, degree: int, irrep: o3.Irrep, last: Tensor) -> Tensor:
    before = (len(tensor) - 1) // 2
    coefficients = o3.wigner_3j(irrep.l, before, degree, dtype=torch.float64) * irrep.dim**0.5
    joined = torch.einsum("kij,i...->k...j", coefficients, tensor)
    return torch.einsum("k...j,js->k...s", joined, last)


def independent(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Factor (a, b, k) into (a, b, r) · (r, k) with as few columns as there are independent."""
    rows, singular, mixing = torch.linalg.svd(columns.flatten(0, 1), full_matrices=False)
    rank = int((singular > INDEPENDENT * singular.max()).sum())
    basis = (rows[:, :rank] * singular[:rank]).view(*columns.shape[:2], rank)
    return basis, mixing[:rank]
