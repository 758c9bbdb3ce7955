"""Laplacian eigenvectors: where a node stands in its graph, whatever its features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# components nearer to the largest than this count as equal when a sign is chosen
SAME = 1e-6


def laplacian_encodings(
    node_ptr: Ints, edge_ptr: Ints, source: NDArray[np.int32], target: NDArray[np.int32], count: int
) -> Floats:
    """Eigenvectors of the normalised Laplacian ``I - D^-½ A D^-½`` of each graph, smallest first.

    The first one, which only knows degrees, is left out. Several edges between two nodes (periodic
    images) count as one, and edges of a node with itself not at all. The largest component of an
    eigenvector is positive, so the encodings are the same in every run; where several are equally
    large, the first of them is.

    Args:
        node_ptr, edge_ptr: (G + 1,) offsets.
        source, target: (E,) ends of the edges, counted within their graph.
        count: eigenvectors to give; small graphs have fewer, the rest is zero.

    Returns:
        (N, count).

    Source: Dwivedi and Bresson 2021, arXiv:2012.09699, section 2.
    """
    result = np.zeros((int(node_ptr[-1]), count))
    for graph in range(len(node_ptr) - 1):
        nodes = slice(node_ptr[graph], node_ptr[graph + 1])
        edges = slice(edge_ptr[graph], edge_ptr[graph + 1])
        size = int(nodes.stop - nodes.start)
        vectors = _eigenvectors(size, source[edges], target[edges])[:, 1 : count + 1]
        result[nodes, : vectors.shape[1]] = vectors
    return result


def _eigenvectors(size: int, source: NDArray[np.int32], target: NDArray[np.int32]) -> Floats:
    """(N, N) eigenvectors as columns, by ascending eigenvalue, with their signs fixed."""
    adjacency = np.zeros((size, size))
    adjacency[source, target] = adjacency[target, source] = 1.0
    np.fill_diagonal(adjacency, 0.0)
    roots = np.sqrt(np.maximum(adjacency.sum(1), 1.0))
    laplacian = np.eye(size) - adjacency / roots[:, None] / roots[None]
    vectors: Floats = np.linalg.eigh(laplacian)[1]
    sizes = np.abs(vectors)
    largest = (sizes >= sizes.max(axis=0, initial=0.0) - SAME).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(size)])
    return vectors * np.where(signs == 0, 1.0, signs)
