"""The two costly sums of MACE by cuEquivariance, behind the same interfaces, with the same weights.

On an NVIDIA GPU with `cuequivariance-ops-torch` each sum is one kernel, which makes no array of
weights times features for the edges. Elsewhere cuEquivariance computes it plainly and slowly, and
`hydria.models.mace.stack` takes the usual classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations_with_replacement
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from hydria.core.errors import ModelError
from hydria.models.mace.conv import Messages, Sizes, Surroundings
from hydria.models.mace.product import ProductBasis
from hydria.nn.irreps import clebsch_gordan

# coefficients that are no rounding
SMALLEST = 1e-12
# a coefficient and the segments that it multiplies, the last one of the output
Term = tuple[float, tuple[int, ...]]


def libraries() -> tuple[ModuleType, ModuleType]:
    """cuEquivariance and its binding to torch.

    Raises:
        ModelError: if they are not installed.
    """
    try:
        import cuequivariance
        import cuequivariance_torch
    except ImportError as err:
        raise ModelError(
            "NeuralNetwork.Architecture.enable_cueq: expected false, because cuEquivariance is not "
            "installed; got true. Hint: pip install 'hydria[cuequivariance]'"
        ) from err
    return cuequivariance, cuequivariance_torch


def tensor_product(subscripts: str, segments: Iterable[tuple[int, int]], terms: list[Term]) -> Any:
    """The sum of products that the terms say.

    Args:
        subscripts: of cuEquivariance, `u` for the channels of an operand, nothing for a number.
        segments: number of each operand's segments, and their channels or 0.
        terms: coefficients and the places of their factors.
    """
    cue, _ = libraries()
    product = cue.SegmentedTensorProduct.from_subscripts(subscripts)
    for operand, (number, channels) in enumerate(segments):
        product.add_segments(operand, number * [(channels,) if channels else ()])
    for coefficient, places in terms:
        product.add_path(*places, c=coefficient)
    return product


class Kernel:
    """What computes a polynomial, made where it is first used.

    It is no module: its constants do not belong to the weights of a model.
    """

    def __init__(self, polynomial: Any) -> None:
        self.polynomial = polynomial
        self.made: dict[torch.device, nn.Module] = {}

    def __call__(self, inputs: list[Tensor], **places: dict[int, Tensor]) -> Tensor:
        """The only output; `places` as `cuequivariance_torch.SegmentedPolynomial` has them."""
        device = inputs[0].device
        if device not in self.made:
            _, cuet = libraries()
            method = "uniform_1d" if device.type == "cuda" else "naive"
            self.made[device] = cuet.SegmentedPolynomial(self.polynomial, method=method).to(device)
        result: Tensor = self.made[device](inputs, **places)[0]
        return result


class FusedMessages(Messages):
    """`Messages` whose products are weighted, coupled and summed over the edges at once."""

    def __init__(self, sizes: Sizes, avg_num_neighbors: float) -> None:
        super().__init__(sizes, avg_num_neighbors)
        cue, _ = libraries()
        paths, channels = self.products.paths, sizes.in_dim
        terms: list[Term] = []
        first_row = 0
        self.rows: list[int] = []
        for degree in range(sizes.edge_lmax + 1):
            to_degree = [n for n, path in enumerate(paths) if path[2] == degree]
            for place, number in enumerate(to_degree):
                coefficients = clebsch_gordan(paths[number])
                first, second, _ = paths[number]
                for i, j, k in coefficients.nonzero().tolist():
                    row = first_row + k * len(to_degree) + place
                    places = (number, first**2 + i, second**2 + j, row)
                    terms.append((float(coefficients[i, j, k]), places))
            self.rows.append((2 * degree + 1) * len(to_degree))
            first_row += self.rows[-1]
        components = [(lmax + 1) ** 2 for lmax in (sizes.in_lmax, sizes.edge_lmax)]
        product = tensor_product(
            "u,u,,u",
            [
                (len(paths), channels),
                (components[0], channels),
                (components[1], 0),
                (first_row, channels),
            ],
            terms,
        )
        self.kernel = Kernel(cue.SegmentedPolynomial.eval_last_operand(product))

    def coupled(
        self, features: Tensor, hidden: Tensor, matrix: Tensor, around: Surroundings
    ) -> list[Tensor]:
        """For each degree, (N, 2·degree+1, paths · C)."""
        inputs = [hidden @ matrix, features.flatten(1), around.harmonics]
        dtype = torch.promote_types(inputs[0].dtype, features.dtype)
        edges = around.edges
        total = self.kernel(
            [part.to(dtype) for part in inputs],
            input_indices={1: edges.source},
            output_shapes={0: inputs[1]},  # of which only the rows count
            output_indices={0: edges.target},
        )
        parts = torch.split(total, [rows * self.channels for rows in self.rows], dim=1)
        return [part.view(len(part), 2 * d + 1, -1) for d, part in enumerate(parts)]


class FusedProductBasis(ProductBasis):
    """`ProductBasis` whose monomials are never made."""

    def __init__(self, in_lmax: int, out_lmax: int, correlation: int, channels: int) -> None:
        super().__init__(in_lmax, out_lmax, correlation, channels)
        cue, _ = libraries()
        degrees = range(self.num_degrees)
        couplings = [self.get_buffer(f"couplings_{degree}") for degree in degrees]
        num_ranks = sum(tensor.shape[1] for tensor in couplings)
        operands = [
            cue.SegmentedOperand(ndim=1, segments=number * [(channels,)])
            for number in (num_ranks, self.size, (out_lmax + 1) ** 2)
        ]
        start = 0
        operations = []
        for order in range(1, correlation + 1):
            factors = list(combinations_with_replacement(range(self.size), order))
            terms = self._terms(couplings, start, factors)
            start += len(factors)
            segments = [(num_ranks, channels), *[(self.size, channels)] * order]
            segments.append(((out_lmax + 1) ** 2, channels))
            subscripts = ",".join("u" * (order + 2))
            product = tensor_product(subscripts, segments, terms)
            operations.append((cue.Operation((0, *[1] * order, 2)), product))
        polynomial = cue.SegmentedPolynomial(operands[:2], operands[2:], operations)
        self.kernel = Kernel(polynomial)

    @staticmethod
    def _terms(couplings: list[Tensor], start: int, factors: list[tuple[int, ...]]) -> list[Term]:
        """What the columns from `start` on, one for each product of factors, contribute."""
        terms: list[Term] = []
        first_rank = 0
        for degree, tensor in enumerate(couplings):
            columns = tensor[:, :, start : start + len(factors)]
            for component, rank, column in (columns.abs() > SMALLEST).nonzero().tolist():
                places = (first_rank + rank, *factors[column], degree**2 + component)
                terms.append((float(columns[component, rank, column]), places))
            first_rank += tensor.shape[1]
        return terms

    def forward(self, features: Tensor, elements: Tensor) -> Tensor:
        """(N, (in_lmax+1)², C), (N,) elements from 0 → (N, (out_lmax+1)², C)."""
        weights = torch.cat([self.mixed(degree) for degree in range(self.num_degrees)], dim=1)
        dtype = torch.promote_types(weights.dtype, features.dtype)
        inputs = [weights.flatten(1).to(dtype), features.flatten(1).to(dtype)]
        products = self.kernel(inputs, input_indices={0: elements})
        return products.view(len(features), -1, features.shape[2])
