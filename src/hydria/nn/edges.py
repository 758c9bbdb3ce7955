"""The edges of a batch as the layers need them: sorted by target, with their geometry."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor

from hydria.graph.batch import GraphBatch
from hydria.nn.segments import Segments


class Edges:
    """Directed edges j → i, sorted by target i.

    Attributes:
        source, target: (E,) int64.
        num_nodes: N.
        features: (E, D) edge features, or None.
        shifts: (E, 3) offsets of periodic images, Å, or None in open boundaries.
        fading: (E, 1) weights of the messages that go to zero at the cutoff, or None: layers
            whose messages do not end smoothly by themselves multiply them by it.
        by_target, by_source: the edges grouped by their ends.
    """

    def __init__(
        self,
        edge_index: Tensor,
        num_nodes: int,
        features: Tensor | None = None,
        shifts: Tensor | None = None,
        fading: Tensor | None = None,
    ) -> None:
        self.source, self.target = edge_index[0], edge_index[1]
        self.num_nodes = num_nodes
        self.features = features
        self.shifts = shifts
        self.fading = fading
        self.by_target = Segments(self.target, num_nodes)
        self.by_source = Segments(self.source, num_nodes, ascending=False)

    @classmethod
    def of(cls, batch: Any, dtype: torch.dtype) -> Edges:
        """The edges of a `GraphBatch`, or of a torch-geometric batch, which need not be sorted."""
        edge_index = batch.edge_index
        given = (getattr(batch, "edge_attr", None), getattr(batch, "edge_shifts", None))
        columns = [None if column is None else column.to(dtype) for column in given]
        if not isinstance(batch, GraphBatch) and bool((edge_index[1].diff() < 0).any()):
            order = edge_index[1].argsort(stable=True)
            edge_index = edge_index[:, order]
            columns = [None if column is None else column[order] for column in columns]
        return cls(edge_index, batch.x.shape[0], *columns)

    def with_features(self, features: Tensor) -> Edges:
        """The same edges with other (E, D) features."""
        other = copy(self)
        other.features = features
        return other

    def with_fading(self, fading: Tensor) -> Edges:
        """The same edges with messages that fade out."""
        other = copy(self)
        other.fading = fading
        return other

    def faded(self, messages: Tensor) -> Tensor:
        """(E, …) messages that go to zero at the cutoff, where that is asked for."""
        if self.fading is None:
            return messages
        return messages * self.fading.view(-1, *[1] * (messages.dim() - 1))

    def renumbered(self, new_node: Tensor, num_nodes: int) -> Edges:
        """The edges of a part of the nodes.

        Args:
            new_node: (N,) new number of each node, ascending, or -1 for those left out; an edge
                connects two nodes of the part or none.
            num_nodes: nodes of the part.
        """
        index = new_node[torch.stack((self.source, self.target))]
        kept = (index[1] >= 0).nonzero().flatten()
        features = None if self.features is None else self.features[kept]
        shifts = None if self.shifts is None else self.shifts[kept]
        fading = None if self.fading is None else self.fading[kept]
        return Edges(index[:, kept], num_nodes, features, shifts, fading)

    def from_source(self, values: Tensor) -> Tensor:
        """Give each edge the value of its source: (N, …) → (E, …)."""
        return self.by_source.spread(values)

    def vectors(self, pos: Tensor) -> Tensor:
        """(E, 3) from source to target over periodic images: ``pos[i] - pos[j] + shift``, Å."""
        apart = self.by_target.spread(pos) - self.from_source(pos)
        return apart if self.shifts is None else apart + self.shifts

    def lengths(self, pos: Tensor) -> Tensor:
        """(E,) distances over periodic images, Å."""
        lengths: Tensor = torch.linalg.vector_norm(self.vectors(pos), dim=-1)
        return lengths
