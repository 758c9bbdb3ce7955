"""Structures turned into their principal axes lie alike, however they lay before."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hydria.data.graphs import turned_to_principal_axes
from hydria.data.structures import Structures, pointers
from hydria.graph.angles import spherical_coordinates
from hydria.graph.neighbors import radius_graph
from tests.support.graphs import Structure, make_cluster, make_crystal

CUTOFF = 4.0
TURN = Rotation.from_rotvec([0.7, -1.1, 2.0]).as_matrix()


def together(*parts: Structure) -> Structures:
    cells = [part.cell for part in parts]
    return Structures(
        names=tuple(str(number) for number in range(len(parts))),
        node_ptr=pointers([len(part.numbers) for part in parts]),
        numbers=np.concatenate([part.numbers for part in parts]).astype(np.int32),
        pos=np.concatenate([part.pos for part in parts]),
        cell=None if cells[0] is None else np.stack(cells),
    )


def moved(structure: Structure, turn: np.ndarray) -> Structure:
    cell = None if structure.cell is None else structure.cell @ turn
    pos = structure.pos @ turn + np.array([3.0, -1.0, 0.5])
    return Structure(structure.numbers, pos, cell, structure.pbc)


@pytest.mark.parametrize("structure", [make_cluster(9), make_crystal(1, rattle=0.3)])
def test_a_turned_structure_comes_to_lie_as_before(structure: Structure) -> None:
    found = turned_to_principal_axes(together(structure, moved(structure, TURN)))
    one, other = np.split(found.pos, 2)
    np.testing.assert_allclose(one, other, atol=1e-9)
    moments = one.T @ one
    np.testing.assert_allclose(moments - np.diag(np.diag(moments)), 0, atol=1e-9)
    assert moments[0, 0] > moments[1, 1] > moments[2, 2]
    if found.cell is not None:
        np.testing.assert_allclose(*found.cell, atol=1e-9)
        assert np.linalg.det(found.cell[0]) == pytest.approx(np.linalg.det(structure.cell))


def test_a_mirror_image_stays_one() -> None:
    structure = make_cluster(9)
    found = turned_to_principal_axes(together(structure, moved(structure, -TURN)))
    one, other = np.split(found.pos, 2)
    assert np.abs(one - other).max() > 0.1
    distances = [np.linalg.norm(pos[:, None] - pos, axis=2) for pos in (one, other)]
    np.testing.assert_allclose(*distances, atol=1e-9)


def test_angles_of_edges_no_longer_depend_on_the_axes() -> None:
    structure = make_cluster(9)
    structures = together(structure, moved(structure, TURN))

    def coordinates(found: Structures) -> list[np.ndarray]:
        result = []
        for pos in np.split(found.pos, 2):
            edges = radius_graph(pos, None, structure.pbc, cutoff=CUTOFF)
            source, target = edges.edge_index
            result.append(spherical_coordinates(pos[target] - pos[source], CUTOFF))
        return result

    before, after = coordinates(structures), coordinates(turned_to_principal_axes(structures))
    assert np.abs(before[0] - before[1]).max() > 0.1
    np.testing.assert_allclose(*after, atol=1e-9)
