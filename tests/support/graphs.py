"""Builders of structures and stores for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria.data.store import GraphStore


@dataclass(frozen=True)
class Structure:
    """Atoms: numbers (N,), pos (N, 3) Å, cell (3, 3) Å or None, pbc (3,)."""

    numbers: NDArray[np.int64]
    pos: NDArray[np.float64]
    cell: NDArray[np.float64] | None
    pbc: NDArray[np.bool_]


def make_crystal(
    repeat: int = 2, lattice: float = 3.8, rattle: float = 0.03, seed: int = 0
) -> Structure:
    """A rattled periodic fcc Cu-Au crystal of 4 × repeat³ atoms with random occupation."""
    rng = np.random.default_rng(seed)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    corners = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    pos = (corners + basis).reshape(-1, 3) * lattice
    numbers = rng.choice(np.array([29, 79]), len(pos))
    pos = pos + rng.normal(0, rattle, pos.shape)
    return Structure(numbers, pos, np.eye(3) * lattice * repeat, np.ones(3, dtype=bool))


def make_cluster(num_atoms: int = 12, spacing: float = 2.2, seed: int = 0) -> Structure:
    """An open cluster: atoms on a jittered grid, about `spacing` Å apart."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(num_atoms ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    pos = spacing * grid[:num_atoms] + rng.normal(0, 0.1, (num_atoms, 3))
    numbers = rng.choice(np.array([1, 6, 8]), num_atoms)
    return Structure(numbers, pos, None, np.zeros(3, dtype=bool))


def random_store(
    num_graphs: int = 20,
    nodes: int | tuple[int, int] = (4, 12),
    edges: int | tuple[int, int] = (10, 40),
    *,
    x_dim: int = 3,
    edge_dim: int = 1,
    dtype: str = "float32",
    seed: int = 0,
    **attrs: Any,
) -> GraphStore:
    """Graphs with random fields; their edges do not follow from their positions.

    Args:
        nodes, edges: per graph: a number, or the least and the greatest.

    Fields: x (x_dim), pos, edge_shifts, edge_attr (edge_dim), y.energy (graph, 1),
    y.charge (node, 1).
    """
    rng = np.random.default_rng(seed)
    node_counts, edge_counts = (_draw(rng, count, num_graphs) for count in (nodes, edges))
    num_nodes, num_edges = node_counts.sum(), edge_counts.sum()
    graph_of_edge = np.repeat(np.arange(num_graphs), edge_counts)
    ends = rng.integers(0, node_counts[graph_of_edge], size=(2, num_edges)).astype(np.int32)
    by_target = np.lexsort((ends[1], graph_of_edge))

    def random(rows: int, dim: int) -> NDArray[Any]:
        return rng.normal(size=(rows, dim)).astype(dtype)

    return GraphStore(
        node={
            "x": random(num_nodes, x_dim),
            "pos": random(num_nodes, 3),
            "y.charge": random(num_nodes, 1),
        },
        edge={
            "edge_source": ends[0][by_target],
            "edge_target": ends[1][by_target],
            "edge_shifts": random(num_edges, 3),
            "edge_attr": random(num_edges, edge_dim),
        },
        graph={"y.energy": random(num_graphs, 1)},
        node_ptr=np.r_[0, np.cumsum(node_counts)],
        edge_ptr=np.r_[0, np.cumsum(edge_counts)],
        attrs=attrs,
    )


def _draw(rng: np.random.Generator, count: int | tuple[int, int], size: int) -> NDArray[np.int64]:
    low, high = (count, count) if isinstance(count, int) else count
    return rng.integers(low, high, size=size, endpoint=True)
