"""Heads that belong to data sets: each graph goes through the branch of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hydria.core.errors import ModelError
from hydria.models.state import Encoded


class Heads(nn.Module, ABC):
    """The heads of one kind in one branch: from an encoded batch to outputs by head number."""

    per_node: bool

    @abstractmethod
    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """Outputs by the number of the head, (G, dim) or (N, dim)."""


class Branched(nn.ModuleDict):
    """The branches of one kind of head; with a single one, every graph goes through it."""

    def __init__(self, branches: Mapping[str, Heads]) -> None:
        super().__init__(branches)

    def forward(self, encoded: Encoded, datasets: Tensor | None) -> dict[int, Tensor]:
        """Outputs by head number, rows in the order of the batch.

        Raises:
            ModelError: if there are several branches and a graph has none of them.
        """
        if len(self) == 1:
            (only,) = self.values()
            outputs: dict[int, Tensor] = only(encoded)
            return outputs
        numbers = self._numbers(datasets)
        # every branch runs on every rank, on an empty part if need be: all ranks then meet in
        # the collectives of its norms and every parameter has a gradient
        parts = [
            self._part(heads, encoded, numbers == int(name.removeprefix("branch-")))
            for name, heads in self.items()
        ]
        rows = torch.cat([ids for ids, _ in parts]).argsort()
        return {
            head: torch.cat([outputs[head] for _, outputs in parts])[rows] for head in parts[0][1]
        }

    def _numbers(self, datasets: Tensor | None) -> Tensor:
        """(G,) the branch of each graph."""
        if datasets is None:
            raise ModelError(
                f"batch.dataset_name: expected the branch of each graph, one of {list(self)}, "
                f"got none. Hint: give each sample a dataset_name"
            )
        numbers = datasets.flatten().to(torch.long)
        unknown = [n for n in sorted(set(numbers.tolist())) if f"branch-{n}" not in self]
        if unknown:
            raise ModelError(
                f"batch.dataset_name: expected numbers of the branches {list(self)}, got {unknown}"
            )
        return numbers

    @staticmethod
    def _part(
        heads: nn.Module, encoded: Encoded, chosen: Tensor
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """The rows that one branch answers for, and its answers."""
        graph_ids = chosen.nonzero().flatten()
        part, node_ids = encoded.select(graph_ids)
        return node_ids if heads.per_node else graph_ids, heads(part)
