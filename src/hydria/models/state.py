"""What the convolutions hand to one another and to the heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    graph_attr: Tensor | None = None
    """(G, A) attributes of the graphs, where they condition the model."""
    vectors_of: Callable[[NodeState, Tensor | None], Tensor] | None = None
    """From a state of the nodes to their (N, 3, C) vectors."""

    def vectors(self, nodes: NodeState | None = None) -> Tensor:
        """(N, 3, C) vectors of another state of the nodes; of this one if that has none."""
        assert self.vectors_of is not None
        if nodes is None or nodes.equivariant is None:
            nodes = self.nodes
        return self.vectors_of(nodes, self.pos)

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
        others = (None if part is None else part[node_ids] for part in self.nodes[1:])
        nodes = NodeState(self.nodes.x[node_ids], *others)
        graphs = Segments(graph_of[node_ids], len(graph_ids))
        geometry = self.geometry_of(edges, pos)
        graph_attr = None if self.graph_attr is None else self.graph_attr[graph_ids]
        part = replace(
            self,
            nodes=nodes,
            edges=edges,
            graphs=graphs,
            pos=pos,
            geometry=geometry,
            graph_attr=graph_attr,
        )
        return part, node_ids
