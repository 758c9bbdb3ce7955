"""A recorded potential gives the energies and forces of the one it was recorded from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from hydria.graph.derivatives import derivatives
from hydria.nn.functions import plain_operations
from hydria.potential.export import recorded
from hydria.potential.trained import TrainedEvaluator
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import CUTOFF
from tests.support.potentials import POTENTIALS, make_potential, potential_batch, potential_spec

FIELDS = ("pos", "z", "edge_index", "edge_shifts", "batch", "ptr")


@pytest.mark.parametrize("name", POTENTIALS)
def test_recorded_potentials_take_structures_of_any_size(name: str) -> None:
    potential = make_potential(potential_spec(name, short_range="ZBL")).requires_grad_(False)
    evaluator = SimpleNamespace(
        model=potential,
        inputs=torch.arange(119.0, dtype=torch.float64).unsqueeze(1) / 50,
        dtype=torch.float64,
        cutoff=CUTOFF,
        max_neighbours=None,
        elements={6},
    )
    program = recorded(cast(TrainedEvaluator, evaluator), 0).module()

    def energies(batch: Any) -> torch.Tensor:
        return program(*(batch[field] for field in FIELDS))

    for structure in (make_crystal(1), make_cluster(7), make_cluster(2)):
        batch = potential_batch(structure)
        expected = potential(batch)
        found = derivatives(energies, batch, dtype=torch.float64, with_stress=True)
        torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=1e-11)
        torch.testing.assert_close(found.forces, expected.forces, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(found.stress, expected.stress, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", POTENTIALS)
@pytest.mark.parametrize("pooling", ["add", "mean"])
def test_plain_operations_change_nothing(name: str, pooling: str) -> None:
    potential = make_potential(potential_spec(name, kind="graph", graph_pooling=pooling))
    batch = potential_batch(make_crystal(1), make_cluster(9))
    expected = potential(batch)
    with plain_operations():
        found = potential(batch)
    torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=1e-11)
    torch.testing.assert_close(found.forces, expected.forces, rtol=1e-10, atol=1e-10)
