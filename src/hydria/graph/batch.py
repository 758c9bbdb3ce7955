"""A batch of graphs: tensors over all nodes, edges and graphs, with offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from hydria.core.errors import GraphError


class GraphBatch:
    """Several graphs as one, their fields concatenated.

    Fields are attributes and items: ``batch.x`` and ``batch["y.energy"]``. A field that the
    data do not have is an ``AttributeError``, so ``getattr(batch, "edge_shifts", None)`` works
    here as on ``torch_geometric.data.Batch``, whose names are used throughout.

    Always there:
        edge_index: (2, E) int64, ``[0]`` source, ``[1]`` target; sorted by target.
        batch: (N,) int64, the graph of each node.
        ptr: (G + 1,) int64, the first node of each graph, then N.
        num_graphs, num_nodes, num_edges: plain integers, so reading them never waits for a device.

    A batch may be empty (no graphs): a rank may get no sample of a short last global batch.
    """

    __slots__ = ("_fields", "num_edges", "num_graphs", "num_nodes")

    def __init__(self, fields: Mapping[str, Tensor]) -> None:
        """Take the fields as they are.

        Args:
            fields: tensors by name; ``edge_index``, ``batch`` and ``ptr`` among them.

        Raises:
            GraphError: if one of these three is missing.
        """
        missing = {"edge_index", "batch", "ptr"} - fields.keys()
        if missing:
            raise GraphError(
                f"GraphBatch: expected fields {sorted(missing)}, got none of that name"
            )
        self._fields = dict(fields)
        self.num_graphs = fields["ptr"].shape[0] - 1
        self.num_nodes = fields["batch"].shape[0]
        self.num_edges = fields["edge_index"].shape[1]

    def __getattr__(self, name: str) -> Tensor:
        if name in GraphBatch.__slots__:  # not set yet: a copy or an unpickling is under way
            raise AttributeError(name)
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"GraphBatch has no field {name!r}") from None

    def __getitem__(self, name: str) -> Tensor:
        return self._fields[name]

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def keys(self) -> list[str]:
        """Names of all fields."""
        return list(self._fields)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}={list(value.shape)}" for name, value in self._fields.items())
        return f"GraphBatch({shapes})"

    def replace(self, **fields: Tensor) -> GraphBatch:
        """A batch with some fields exchanged or added; the others are shared, not copied."""
        return GraphBatch(self._fields | fields)

    def apply(self, function: Callable[[Tensor], Tensor]) -> GraphBatch:
        """A batch with `function` applied to every field."""
        return GraphBatch({name: function(value) for name, value in self._fields.items()})

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        non_blocking: bool = False,
    ) -> GraphBatch:
        """Move all fields to `device`; convert the floating-point ones to `dtype`."""

        def moved(value: Tensor) -> Tensor:
            kind = dtype if value.is_floating_point() else None
            return value.to(device=device, dtype=kind, non_blocking=non_blocking)

        return self.apply(moved)

    def pin_memory(self) -> GraphBatch:
        """Copy to page-locked memory, from where a device copies without waiting."""
        return self.apply(Tensor.pin_memory)
