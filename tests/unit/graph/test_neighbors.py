import numpy as np
import pytest

from hydria.core.errors import GraphError
from hydria.graph.neighbors import radius_graph, radius_graphs, radix_order

TWO_ATOMS = np.array([[0.0, 0, 0], [1.0, 0, 0]])


def test_isolated_atoms_are_counted_and_not_wired():
    pos = np.array([[0.0, 0, 0], [1.0, 0, 0], [50.0, 0, 0]])
    edges = radius_graph(pos, cutoff=2.0)
    assert edges.edge_index.tolist() == [[1, 0], [0, 1]]
    assert edges.isolated == 1


def test_no_edges_at_all():
    edges = radius_graph(TWO_ATOMS, cutoff=0.5, max_neighbours=3)
    assert edges.edge_index.shape == (2, 0)
    assert edges.unit_shifts.shape == edges.edge_shifts.shape == (0, 3)
    assert edges.isolated == 2


def test_no_atoms_and_no_structures():
    assert radius_graph(np.zeros((0, 3)), cutoff=1.0).edge_index.shape == (2, 0)
    sets = radius_graphs(np.zeros((0, 3)), [0], cutoff=1.0)
    assert sets.edge_ptr.tolist() == [0]
    assert len(sets.capped) == 0


def test_dtypes():
    edges = radius_graph(TWO_ATOMS.astype("float32"), cutoff=2.0)
    assert edges.edge_index.dtype == np.int64
    assert edges.unit_shifts.dtype == np.int32
    assert edges.edge_shifts.dtype == edges.edge_len.dtype == np.float64


def test_pairs_at_the_cutoff_do_not_count():
    assert radius_graph(TWO_ATOMS, cutoff=1.0).edge_index.shape == (2, 0)


def test_open_axes_may_have_any_vector():
    cell = np.array([[3.0, 0, 0], [np.nan, 0, 0], [0, 0, 0]])
    edges = radius_graph(TWO_ATOMS, cell, [True, False, False], cutoff=2.5)
    assert edges.edge_len.tolist() == [1.0, 2.0, 2.0, 1.0]


@pytest.mark.parametrize("cutoff", [0, -2.0, np.nan, np.inf])
def test_wrong_cutoff_is_an_error(cutoff):
    with pytest.raises(GraphError, match="cutoff: expected a finite number > 0"):
        radius_graph(TWO_ATOMS, cutoff=cutoff)


def test_wrong_cap_is_an_error():
    with pytest.raises(GraphError, match="max_neighbours: expected an integer >= 1, got 0"):
        radius_graph(TWO_ATOMS, cutoff=1.0, max_neighbours=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_named(value):
    pos = np.concatenate([TWO_ATOMS, TWO_ATOMS])
    pos[3, 1] = value
    with pytest.raises(GraphError, match=r"b\.txt, atom 1: expected finite positions"):
        radius_graphs(pos, [0, 2, 4], cutoff=1.0, names=["a.txt", "b.txt"])


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        (np.zeros((3, 3)), (True, True, True)),
        (np.diag([3.0, 3.0, 0.0]), (False, False, True)),
        (np.array([[1.0, 2, 3], [2, 4, 6], [0, 0, 1]]), (True, True, False)),
        (np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]), (True, True, True)),
        (np.diag([3.0, np.nan, 3.0]), (True, True, True)),
    ],
)
def test_singular_cells_are_an_error(cell, pbc):
    with pytest.raises(GraphError, match="structure 0: expected finite, linearly independent"):
        radius_graph(TWO_ATOMS, cell, pbc, cutoff=1.0)


def test_periodicity_needs_a_cell():
    with pytest.raises(GraphError, match="expected a cell"):
        radius_graph(TWO_ATOMS, None, [True, False, False], cutoff=1.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pos": np.zeros((3, 3))}, r"pos: expected shape \(2, 3\), got \(3, 3\)"),
        ({"cell": np.eye(3)}, r"cell: expected shape \(1, 3, 3\), got \(3, 3\)"),
        ({"cell": np.eye(3)[None], "pbc": [True]}, r"pbc: expected shape \(1, 3\), got \(1,\)"),
    ],
)
def test_wrong_shapes_are_an_error(changed, message):
    given = {"pos": TWO_ATOMS, "node_ptr": [0, 2], **changed}
    with pytest.raises(GraphError, match=message):
        radius_graphs(**given, cutoff=1.0)


@pytest.mark.parametrize("largest", [1, 60_000, 70_000, 2**40])
def test_radix_order_equals_lexsort(largest):
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, largest, 500), rng.integers(0, 7, 500)
    np.testing.assert_array_equal(radix_order(low, high), np.lexsort((low, high)))
