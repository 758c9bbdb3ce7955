"""Descriptors of elements and edges against torch-geometric's and known values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import PointPairFeatures, Spherical

from hydria.config import load_config
from hydria.core.errors import ConfigError, DataError
from hydria.data.descriptors import ELEMENTS, element_features
from hydria.data.prepare import build
from hydria.graph.angles import outward_normals, point_pair_features, spherical_coordinates
from hydria.graph.neighbors import radius_graph
from tests.support.graphs import make_cluster, make_crystal
from tests.support.raw_data import config_tree, write_lsms

CUTOFF = 4.0


def edges_of(structure: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vectors from source to target, and the ends."""
    edges = radius_graph(structure.pos, structure.cell, structure.pbc, cutoff=CUTOFF)
    source, target = edges.edge_index
    return structure.pos[target] - structure.pos[source] + edges.edge_shifts, edges.edge_index


def test_spherical_coordinates_are_torch_geometrics() -> None:
    cluster = make_cluster(9)
    vectors, index = edges_of(cluster)
    data = Data(pos=torch.tensor(cluster.pos), edge_index=torch.tensor(index))
    expected = Spherical(norm=True, max_value=CUTOFF)(data).edge_attr.numpy()
    np.testing.assert_allclose(spherical_coordinates(vectors, CUTOFF), expected, atol=1e-12)
    assert expected.min() >= 0
    assert expected.max() <= 1


def test_point_pair_features_are_torch_geometrics() -> None:
    cluster = make_cluster(9)
    vectors, index = edges_of(cluster)
    normals = outward_normals(vectors, index[1], 9)
    data = Data(
        pos=torch.tensor(cluster.pos),
        norm=torch.tensor(normals),
        edge_index=torch.tensor(index),
    )
    found = point_pair_features(vectors, *index, normals, CUTOFF)
    expected = PointPairFeatures()(data).edge_attr.numpy()
    scale = np.array([CUTOFF, np.pi, np.pi, np.pi])
    np.testing.assert_allclose(found * scale, expected, atol=1e-7)


@pytest.mark.parametrize("structure", [make_cluster(9), make_crystal(1, rattle=0.2)])
def test_point_pair_features_do_not_turn(structure: Any) -> None:
    vectors, (source, target) = edges_of(structure)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    before, after = (
        point_pair_features(v, source, target, outward_normals(v, target, 9), CUTOFF)
        for v in (vectors, vectors @ turn)
    )
    np.testing.assert_allclose(before, after, atol=1e-10)
    assert before.std(axis=0).min() > 0.01


def test_normals_point_away_from_the_neighbours_or_nowhere() -> None:
    pair = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 0, 2.0], [0, 0, -2.0]])
    target = np.array([1, 0, 2, 2])
    expected = [[-1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(outward_normals(pair, target, 4), expected)


@pytest.mark.parametrize(
    ("symbol", "number", "period", "group", "block", "valence"),
    [
        ("H", 1, 1, 1, 0, 1),
        ("He", 2, 1, 18, 0, 2),
        ("C", 6, 2, 14, 1, 4),
        ("Cl", 17, 3, 17, 1, 7),
        ("Fe", 26, 4, 8, 2, 8),
        ("Ce", 58, 6, 3, 3, 4),
        ("Hf", 72, 6, 4, 2, 4),
        ("Au", 79, 6, 11, 2, 11),
        ("Pb", 82, 6, 14, 1, 4),
        ("U", 92, 7, 3, 3, 6),
        ("Og", 118, 7, 18, 1, 8),
    ],
)
def test_places_in_the_periodic_table(
    symbol: str, number: int, period: int, group: int, block: int, valence: int
) -> None:
    names = ("period", "group", "block", "valence_electrons")
    found = tuple(int(ELEMENTS[name]()[number - 1]) for name in names)
    assert found == (period, group, block, valence), symbol


def test_element_features_are_scaled_over_all_elements() -> None:
    names = tuple(ELEMENTS)
    everything = element_features(np.arange(1, 119, dtype=np.int32), names)
    assert everything.shape == (118, len(names))
    np.testing.assert_allclose(everything.min(axis=0), 0)
    np.testing.assert_allclose(everything.max(axis=0), 1)
    assert np.isfinite(everything).all()
    assert ELEMENTS["covalent_radius"]()[5] == pytest.approx(0.76)
    pauling = ELEMENTS["electronegativity"]()
    assert [pauling[number - 1] for number in (1, 8, 9, 55, 79)] == [2.2, 3.44, 3.98, 0.79, 2.4]
    assert np.isnan(pauling[[1, 9, 17]]).all()  # of the light noble gases none is known
    with pytest.raises(DataError, match="expected atomic numbers from 1 to 118, got 0"):
        element_features(np.array([6, 0], np.int32), names)


def test_descriptors_become_columns_of_the_graphs(tmp_path: Path) -> None:
    tree = config_tree(write_lsms(tmp_path / "raw", 8))
    tree["Dataset"]["Descriptors"] = {
        "SphericalCoordinates": True,
        "PointPairFeatures": True,
        "AtomicDescriptors": ["group", "mass"],
    }
    prepared = build(load_config(tree).config, tmp_path)
    assert prepared.summary.input_dim == 3
    assert prepared.summary.edge_dim == 1 + 3 + 4
    edges = prepared.store.edge["edge_attr"]
    np.testing.assert_allclose(edges[:, 0], edges[:, 1], rtol=1e-6)  # lengths
    np.testing.assert_allclose(edges[:, 0], edges[:, 4], rtol=1e-6)
    iron = prepared.store.node["z"] == 26
    assert set(prepared.store.node["x"][iron, 1].tolist()) == {np.float32(7 / 17).item()}


def test_edge_descriptors_need_convolutions_that_see_edges(tmp_path: Path) -> None:
    tree = config_tree(write_lsms(tmp_path / "raw", 8))
    tree["NeuralNetwork"]["Architecture"] |= {"mpnn_type": "GIN", "edge_features": []}
    tree["Dataset"]["Descriptors"] = {"PointPairFeatures": True}
    with pytest.raises(ConfigError, match=r"Descriptors\.PointPairFeatures: expected false"):
        load_config(tree)
