"""Lengths and angles of edges, as features of edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# sums of unit vectors shorter than this have no direction
NOTHING = 1e-8


def spherical_coordinates(vectors: Floats, cutoff: float) -> Floats:
    """Length, azimuth and polar angle of each edge, all in [0, 1].

    The angles are those of the fixed axes, so they turn with the structure; structures in their
    principal axes (`Dataset.rotational_invariance`) have angles of their own.

    Args:
        vectors: (E, 3) from source to target, Å.
        cutoff: the lengths are divided by it, Å.

    Returns:
        (E, 3): length, azimuth from x to y over 2π, polar angle from z over π.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    azimuth = np.arctan2(vectors[:, 1], vectors[:, 0]) / (2 * np.pi) % 1.0
    across = np.linalg.norm(vectors[:, :2], axis=1)
    polar = np.arctan2(across, vectors[:, 2]) / np.pi
    return np.stack([lengths / cutoff, azimuth, polar], axis=1)


def outward_normals(vectors: Floats, target: Ints, num_nodes: int) -> Floats:
    """The direction in which each node has fewest neighbours: away from the sum of them.

    Args:
        vectors: (E, 3) from source to target, Å.
        target: (E,).
        num_nodes: N.

    Returns:
        (N, 3) unit vectors; zero for nodes whose neighbours balance, or that have none.
    """
    away = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    sums = np.stack(
        [np.bincount(target, weights=column, minlength=num_nodes) for column in away.T], axis=1
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > NOTHING, sums / np.maximum(lengths, NOTHING), 0.0)


def point_pair_features(
    vectors: Floats, source: Ints, target: Ints, normals: Floats, cutoff: float
) -> Floats:
    """Length of each edge, its angles to the normals of its ends, and the angle between these.

    They do not depend on the orientation of the structure.

    Args:
        vectors: (E, 3) from source to target, Å.
        source, target: (E,).
        normals: (N, 3) unit vectors, or zero; an angle with zero is zero.
        cutoff: the lengths are divided by it, Å.

    Returns:
        (E, 4): length over the cutoff; angles over π.

    Source: Drost et al. 2010, "Model globally, match locally", eq. (1); oracle:
    torch_geometric.transforms.PointPairFeatures.
    """
    at_source, at_target = normals[source], normals[target]
    columns = [
        np.linalg.norm(vectors, axis=1) / cutoff,
        _angles(at_source, vectors),
        _angles(at_target, vectors),
        _angles(at_source, at_target),
    ]
    return np.stack(columns, axis=1)


def _angles(first: Floats, second: Floats) -> Floats:
    """(E,) angles over π between the rows of two arrays."""
    across = np.linalg.norm(np.cross(first, second), axis=1)
    along = np.einsum("ij,ij->i", first, second)
    angles: Floats = np.arctan2(across, along) / np.pi
    return angles
