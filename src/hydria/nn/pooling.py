"""From node features to graph features."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from hydria.nn.segments import Segments, segment_mean, segment_min_max, segment_sum

POOLINGS: dict[str, Callable[[Tensor, Segments], Tensor]] = {
    "mean": segment_mean,
    "add": segment_sum,
    "sum": segment_sum,
    "max": lambda values, graphs: segment_min_max(values, graphs)[1],
}


def pool(kind: str, values: Tensor, graphs: Segments) -> Tensor:
    """Pool (N, C) node features into (G, C); a graph without nodes gives 0."""
    return POOLINGS[kind](values, graphs)
