"""Dense layers: plain stacks, and the first layer of an edge network in factored form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hydria.nn.edges import Edges


def mlp(widths: Sequence[int], activation: nn.Module, activate_last: bool = False) -> nn.Sequential:
    """Linear layers of the given widths with `activation` between them.

    Args:
        widths: input width, hidden widths, output width.
        activation: one module, used (and so shared) at every place.
        activate_last: whether it follows the last layer too.
    """
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), activation]
    return nn.Sequential(*layers if activate_last else layers[:-1])


class StackedLinear(nn.Module):
    """Several linear layers of one shape, each with weights of its own."""

    bias: nn.Parameter | None

    def __init__(self, num_layers: int, in_dim: int, out_dim: int, bias: bool = True) -> None:
        super().__init__()
        self.num_layers = num_layers
        bound = 1 / math.sqrt(in_dim)  # as torch.nn.Linear starts
        self.weight = nn.Parameter(torch.empty(num_layers, in_dim, out_dim).uniform_(-bound, bound))
        start = torch.empty(num_layers, 1, out_dim).uniform_(-bound, bound)
        self.register_parameter("bias", nn.Parameter(start) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """The same number of rows for each layer: (layers, R, in) → (layers, R, out)."""
        return x @ self.weight if self.bias is None else torch.baddbmm(self.bias, x, self.weight)

    def by_group(self, x: Tensor, counts: Sequence[int]) -> Tensor:
        """Rows (R, in) that lie sorted by their layer, `counts` rows for each; → (R, out)."""
        if not len(x):
            return self._layer(0, x)
        parts = enumerate(torch.split(x, list(counts)))
        return torch.cat([self._layer(layer, rows) for layer, rows in parts if len(rows)])

    def _layer(self, layer: int, rows: Tensor) -> Tensor:
        product = rows @ self.weight[layer]
        return product if self.bias is None else product + self.bias[layer]


class EdgeLinear(nn.Linear):
    """A linear layer over ``[x_i, x_j, e_ij]`` that never builds this (E, 2C + D) array.

    It is the sum of one product per node for the target i, one per node for the source j and one
    per edge: the two large products are done N instead of E times.
    """

    def __init__(self, node_dim: int, edge_dim: int, out_dim: int, bias: bool = True) -> None:
        super().__init__(2 * node_dim + edge_dim, out_dim, bias)
        self.node_dim = node_dim

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights that meet x_i, x_j and e_ij: (out, C), (out, C), (out, D)."""
        target, source, edge = self.weight.tensor_split([self.node_dim, 2 * self.node_dim], dim=1)
        return target, source, edge

    def forward(self, x: Tensor, edges: Edges, features: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Apply to (N, C) node and (E, D) edge features; returns (E, out)."""
        to_target, to_source, to_edge = self.parts()
        at_target = nn.functional.linear(x, to_target, self.bias)
        at_source = nn.functional.linear(x, to_source)
        joined = edges.by_target.spread(at_target) + edges.from_source(at_source)
        return joined if features is None else torch.addmm(joined, features, to_edge.T)
