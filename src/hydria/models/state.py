"""What the convolutions hand to one another and to the heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hydria.nn.edges import Edges
from hydria.nn.segments import Segments

Geometry = Any
"""What an architecture computes once per batch from its edges (radial bases and so on)."""


class NodeState(NamedTuple):
    """Features of the nodes between two layers."""

    x: Tensor
    """(N, C) invariant features."""
    equivariant: Tensor | None
    """What turns with the structure: positions or vectors; None for invariant architectures."""
    elements: Tensor | None = None
    """(N,) int64 elements, hydrogen 0, for architectures with weights by element."""


@dataclass(frozen=True)
class Encoded:
    """A batch after its convolutions."""

    nodes: NodeState
    edges: Edges
    graphs: Segments
    """Nodes grouped by graph."""
    pos: Tensor | None
    geometry: Geometry
    geometry_of: Callable[[Edges, Tensor | None], Geometry]

    def select(self, graph_ids: Tensor) -> tuple[Encoded, Tensor]:
        """The part that belongs to some graphs.

        Args:
            graph_ids: (G',) graphs to keep, ascending.

        Returns:
            That part, and (N',) the numbers its nodes have here.
        """
        new_graph = self.graphs.index.new_full((self.graphs.num_segments,), -1)
        new_graph[graph_ids] = torch.arange(len(graph_ids), device=graph_ids.device)
        graph_of = new_graph[self.graphs.index]
        node_ids = (graph_of >= 0).nonzero().flatten()
        new_node = torch.full_like(graph_of, -1)
        new_node[node_ids] = torch.arange(len(node_ids), device=node_ids.device)
        edges = self.edges.renumbered(new_node, len(node_ids))
        pos = None if self.pos is None else self.pos[node_ids]
        nodes = NodeState(*[None if part is None else part[node_ids] for part in self.nodes])
        graphs = Segments(graph_of[node_ids], len(graph_ids))
        geometry = self.geometry_of(edges, pos)
        return Encoded(nodes, edges, graphs, pos, geometry, self.geometry_of), node_ids
