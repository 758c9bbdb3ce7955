"""Neighbour lists against brute force over images, and against ASE."""

import itertools

import ase
import ase.neighborlist
import numpy as np
import pytest

from hydria.graph.neighbors import radius_graph, radius_graphs
from tests.support.graphs import make_cluster, make_crystal

DISTANCE_TOLERANCE_A = 1e-10


def completed(cell, pbc):
    """`cell` with unit vectors orthogonal to the periodic ones along open axes."""
    result = cell.copy()
    result[~pbc] = np.linalg.svd(np.where(pbc[:, None], cell, 0))[2][pbc.sum() :]
    return result


def brute_force(pos, cell, pbc, cutoff):
    """All (target, source, shift) closer than the cutoff, as a sorted list, with distances."""
    reach = np.zeros(3, dtype=int)
    if pbc.any():
        inverse = np.linalg.inv(completed(cell, pbc))
        heights = 1 / np.linalg.norm(inverse, axis=0)
        spread = np.ptp(pos @ inverse, axis=0)
        reach = np.where(pbc, np.ceil(cutoff / heights + spread), 0).astype(int)
    edges = {}
    for shift in itertools.product(*[range(-k, k + 1) for k in reach]):
        offset = np.array(shift, dtype=float) @ np.where(pbc[:, None], cell, 0)
        for target, source in itertools.product(range(len(pos)), repeat=2):
            if target == source and not any(shift):
                continue
            distance = np.linalg.norm(pos[target] - pos[source] + offset)
            if distance < cutoff:
                edges[(target, source, *shift)] = distance
    return sorted(edges), [edges[key] for key in sorted(edges)]


def as_keys(edges):
    source, target = edges.edge_index
    return list(zip(target.tolist(), source.tolist(), *edges.unit_shifts.T.tolist(), strict=True))


def random_structure(seed):
    """Up to 6 atoms, in and around a small, often very skewed cell with mixed periodicity."""
    rng = np.random.default_rng(seed)
    pbc = rng.random(3) < 0.6
    lengths = rng.uniform(1.2, 5.0, 3)
    while True:
        skew = rng.uniform(-1, 1, (3, 3)) * rng.choice([0.0, 0.4, 0.9])
        cell = (np.eye(3) + skew) * lengths[:, None]
        if abs(np.linalg.det(cell)) > 0.25 * lengths.prod():
            break
    pos = rng.uniform(-0.7, 1.7, (rng.integers(1, 7), 3)) @ cell
    return pos, cell, pbc, rng.uniform(1.0, 4.0)


@pytest.mark.parametrize("seed", range(40))
def test_edges_equal_brute_force(seed):
    pos, cell, pbc, cutoff = random_structure(seed)
    edges = radius_graph(pos, cell, pbc, cutoff=cutoff)
    keys, distances = brute_force(pos, cell, pbc, cutoff)
    assert as_keys(edges) == keys
    np.testing.assert_allclose(edges.edge_len, distances, atol=DISTANCE_TOLERANCE_A)


@pytest.mark.parametrize("seed", range(20))
def test_edge_vector_and_length_agree(seed):
    pos, cell, pbc, cutoff = random_structure(seed)
    edges = radius_graph(pos, cell, pbc, cutoff=cutoff)
    source, target = edges.edge_index
    vectors = pos[target] - pos[source] + edges.edge_shifts
    np.testing.assert_allclose(edges.edge_shifts, edges.unit_shifts @ cell, atol=1e-12)
    np.testing.assert_allclose(
        np.linalg.norm(vectors, axis=1), edges.edge_len, atol=DISTANCE_TOLERANCE_A
    )


def test_random_structures_cover_what_they_should():
    """The seeds above hold self-images, atoms outside the cell and every number of open axes."""
    self_images, axes, outside = 0, set(), 0
    for seed in range(40):
        pos, cell, pbc, cutoff = random_structure(seed)
        source, target = radius_graph(pos, cell, pbc, cutoff=cutoff).edge_index
        self_images += int((source == target).sum())
        axes.add(int(pbc.sum()))
        outside += int(((pos @ np.linalg.inv(cell) % 1) != pos @ np.linalg.inv(cell)).any())
    assert self_images > 0
    assert axes == {0, 1, 2, 3}
    assert outside > 10


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("cap", [1, 3, 8])
def test_cap_keeps_the_nearest_of_each_target(seed, cap):
    pos, cell, pbc, cutoff = random_structure(seed)
    edges = radius_graph(pos, cell, pbc, cutoff=cutoff, max_neighbours=cap)
    keys, distances = brute_force(pos, cell, pbc, cutoff)
    expected = []
    degrees = [0] * len(pos)
    for target in range(len(pos)):
        # rounding: equally distant neighbours keep the order of edges
        mine = [
            (round(d, 7), key) for d, key in zip(distances, keys, strict=True) if key[0] == target
        ]
        degrees[target] = len(mine)
        expected += [key for _, key in sorted(mine)[:cap]]
    assert as_keys(edges) == sorted(expected)
    assert edges.capped == sum(degree > cap for degree in degrees)
    assert edges.isolated == degrees.count(0)


def test_cap_breaks_ties_by_the_order_of_edges():
    """Six equally distant images of one atom: the first two in order of shift stay."""
    edges = radius_graph(np.full((1, 3), 0.1), 2 * np.eye(3), cutoff=2.1, max_neighbours=2)
    assert edges.unit_shifts.tolist() == [[-1, 0, 0], [0, -1, 0]]
    assert edges.capped == 1


def test_ties_do_not_depend_on_where_the_crystal_lies():
    crystal = make_crystal(rattle=0.0)
    chosen = [
        as_keys(radius_graph(crystal.pos + shift, crystal.cell, cutoff=4.5, max_neighbours=7))
        for shift in (0.0, 0.123456789, 17.7)
    ]
    assert chosen[0] == chosen[1] == chosen[2]


@pytest.mark.parametrize(
    "structure", [make_crystal(), make_cluster(20), make_crystal(repeat=1, rattle=0.2, seed=3)]
)
@pytest.mark.parametrize("pbc", [None, (True, False, True)])
def test_edges_equal_ase(structure, pbc):
    if structure.cell is None:
        pbc = (False, False, False)
    pbc = np.ones(3, dtype=bool) if pbc is None else np.array(pbc)
    cell = np.eye(3) * 50 if structure.cell is None else structure.cell
    atoms = ase.Atoms(structure.numbers, structure.pos, cell=cell, pbc=pbc)
    i, j, shifts, lengths = ase.neighborlist.neighbor_list("ijSd", atoms, 5.0)
    # ASE: D = pos[j] - pos[i] + S @ cell
    order = np.lexsort((*shifts.T[::-1], i, j))
    ours = radius_graph(structure.pos, structure.cell, pbc, cutoff=5.0)
    np.testing.assert_array_equal(ours.edge_index, np.stack([i, j])[:, order])
    np.testing.assert_array_equal(ours.unit_shifts, shifts[order])
    np.testing.assert_allclose(ours.edge_len, lengths[order], atol=DISTANCE_TOLERANCE_A)


@pytest.mark.parametrize("cap", [None, 4])
def test_many_structures_equal_one_by_one(cap):
    structures = [random_structure(seed) for seed in range(60)]
    structures += [(make_cluster(700).pos, np.zeros((3, 3)), np.zeros(3, dtype=bool), 0)]
    sets = radius_graphs(
        np.concatenate([pos for pos, *_ in structures]),
        np.r_[0, np.cumsum([len(pos) for pos, *_ in structures])],
        np.stack([cell for _, cell, _, _ in structures]),
        np.stack([pbc for _, _, pbc, _ in structures]),
        cutoff=3.0,
        max_neighbours=cap,
    )
    for g, (pos, cell, pbc, _) in enumerate(structures):
        one = radius_graph(pos, cell, pbc, cutoff=3.0, max_neighbours=cap)
        mine = slice(sets.edge_ptr[g], sets.edge_ptr[g + 1])
        np.testing.assert_array_equal([sets.source[mine], sets.target[mine]], one.edge_index)
        np.testing.assert_array_equal(sets.unit_shifts[mine], one.unit_shifts)
        np.testing.assert_array_equal(sets.edge_shifts[mine], one.edge_shifts)
        np.testing.assert_array_equal(sets.edge_len[mine], one.edge_len)
        assert (sets.capped[g], sets.isolated[g]) == (one.capped, one.isolated)
