"""How attributes of a graph act on its nodes, or on what is pooled of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hydria.nn.mlp import mlp
from hydria.nn.segments import Segments


class ConcatNode(nn.Module):
    """``x_i' = W [x_i, a] + b`` with the attributes a of the node's graph."""

    def __init__(self, width: int, attributes: int, activation: nn.Module) -> None:
        """Make the layer; `width` channels of the nodes, `attributes` of the graph."""
        super().__init__()
        self.width = width
        self.join = nn.Linear(width + attributes, width)

    def forward(self, x: Tensor, attributes: Tensor, graphs: Segments) -> Tensor:
        """(N, width) and (G, attributes) → (N, width)."""
        to_node, to_graph = self.join.weight.tensor_split([self.width], dim=1)
        at_graph = nn.functional.linear(attributes, to_graph, self.join.bias)
        return nn.functional.linear(x, to_node) + graphs.spread(at_graph)


class FiLM(nn.Module):
    """``x_i' = (1 + tanh s(a)) x_i + t(a)``, channel by channel.

    Source: Perez et al. 2018, arXiv:1709.07871; the tanh is HydraGNN's.
    """

    def __init__(self, width: int, attributes: int, activation: nn.Module) -> None:
        """Make the network of scale and shift."""
        super().__init__()
        self.network = mlp([attributes, max(width, attributes), 2 * width], activation)

    def forward(self, x: Tensor, attributes: Tensor, graphs: Segments) -> Tensor:
        """(N, width) and (G, attributes) → (N, width)."""
        scale, shift = self.network(attributes).chunk(2, dim=1)
        return x * graphs.spread(1.0 + scale.tanh()) + graphs.spread(shift)


class FusePool(nn.Module):
    """Two dense layers over ``[pooled, a]``."""

    def __init__(self, width: int, attributes: int, activation: nn.Module) -> None:
        """Make the layers; `width` channels of what is pooled."""
        super().__init__()
        self.layers = mlp([width + attributes, width, width], activation)

    def forward(self, pooled: Tensor, attributes: Tensor) -> Tensor:
        """(G, width) and (G, attributes) → (G, width)."""
        fused: Tensor = self.layers(torch.cat([pooled, attributes], dim=1))
        return fused


# those that act on nodes, after each convolution
NODE_CONDITIONINGS: dict[str, Callable[[int, int, nn.Module], nn.Module]] = {
    "concat_node": ConcatNode,
    "film": FiLM,
}
