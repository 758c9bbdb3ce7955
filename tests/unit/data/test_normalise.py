"""Scaling of features, back, and the refusal of what is not finite."""

from __future__ import annotations

import numpy as np
import pytest

from hydria.core.errors import DataError
from hydria.data.normalise import Scale, check_finite, denormalise, scale_by_num_nodes
from hydria.data.structures import Structures, pointers


def _structures(**changes: object) -> Structures:
    fields = {
        "names": ("first", "second"),
        "node_ptr": pointers([2, 3]),
        "numbers": np.array([1, 1, 1, 1, 1], np.int32),
        "pos": np.zeros((5, 3)),
        "node": {"charge": np.arange(5.0)[:, None]},
        "graph": {"energy": np.array([[6.0], [6.0]])},
    }
    return Structures(**{**fields, **changes})


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_a_scale_reaches_its_bounds_and_comes_back(low: float, high: float) -> None:
    values = np.random.RandomState(0).normal(-1e4, 1e-2, (50, 3))
    scale = Scale.of(values, low, high)
    scaled = scale.apply(values)
    assert (scaled.min(), scaled.max()) == pytest.approx((low, high), abs=1e-12)
    np.testing.assert_allclose(scale.undo(scaled), values, rtol=1e-15)


def test_a_constant_feature_becomes_zero_and_comes_back() -> None:
    values = np.full((4, 1), 7.0)
    scale = Scale.of(values)
    assert not scale.apply(values).any()
    assert (scale.undo(scale.apply(values)) == 7.0).all()
    assert scale.undo(np.array([0.5])) == [7.5]  # an error of a prediction stays visible


def test_denormalise_uses_the_scale_of_the_column() -> None:
    attrs = {"scales": {"y.energy": Scale(-4.0, 4.0).to_json()}}
    assert denormalise(attrs, "y.energy", np.array([0.25], np.float32)).tolist() == [-2.0]
    assert denormalise(attrs, "y.other", np.array([0.25])).tolist() == [0.25]


def test_features_scaled_by_the_number_of_nodes() -> None:
    scaled = scale_by_num_nodes(
        _structures(
            node={"charge_scaled_num_nodes": np.full((5, 1), 6.0), "plain": np.ones((5, 1))},
            graph={"energy_scaled_num_nodes": np.array([[6.0], [6.0]])},
            units={"energy_scaled_num_nodes": "eV", "plain": "e"},
        )
    )
    assert scaled.graph["energy_scaled_num_nodes"].ravel().tolist() == [3.0, 2.0]
    assert scaled.node["charge_scaled_num_nodes"].ravel().tolist() == [3.0, 3.0, 2.0, 2.0, 2.0]
    assert scaled.node["plain"].ravel().tolist() == [1.0] * 5
    assert scaled.units == {"energy_scaled_num_nodes": "eV/atom", "plain": "e"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node": {"charge": np.array([[0, 0, 0, np.nan, np.inf]]).T}},
         r"second, atom 1: .*'charge', got nan \(2 such"),
        ({"graph": {"energy": np.array([[1.0], [-np.inf]])}}, r"second: .*'energy', got -inf"),
        ({"pos": np.full((5, 3), np.nan)}, r"first, atom 0: .*'position', got nan, nan, nan"),
        ({"cell": np.full((2, 3, 3), np.nan)}, "first: .*'lattice'"),
    ],
)  # fmt: skip
def test_what_is_not_finite_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_finite(_structures(**changes))
