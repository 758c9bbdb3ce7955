"""Forces and stress are the derivatives of an energy that depends on the atoms alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hydria.graph.derivatives import voigt
from hydria.models.potential import Potential
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import CUTOFF
from tests.support.potentials import (
    POTENTIALS,
    make_potential,
    potential_batch,
    potential_spec,
)

# short, because some architectures have kinks: ReLU, min and max
STEP_A = 1e-5
# their forces jump where two neighbours are alike, or arguments of leaky ReLU change sign
KINKED = ("PNA", "PNAPlus", "PNAEq", "GAT")
ATOMS, DIRECTIONS = (0, 5), (0, 2)


@pytest.fixture(scope="module", params=POTENTIALS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def potential(name: str) -> Potential:
    return make_potential(potential_spec(name))


@pytest.fixture(scope="module")
def crystal() -> Structure:
    """Fewer atoms than `make_crystal` has, in a cell that is not orthogonal."""
    structure = make_crystal(repeat=1, lattice=3.7, rattle=0.1, seed=3)
    shear = np.array([[1.0, 0.12, 0.0], [0.0, 1.0, -0.08], [0.05, 0.0, 1.0]])
    cell = np.diag([1.9, 1.0, 1.0]) @ structure.cell @ shear
    pos = np.concatenate([structure.pos, structure.pos + np.array([3.7, 0, 0])]) @ shear
    rng = np.random.default_rng(5)
    numbers = np.concatenate([structure.numbers, structure.numbers[::-1]])
    return Structure(numbers, pos + rng.normal(0, 0.1, pos.shape), cell, structure.pbc)


def energy(potential: Potential, structure: Structure) -> float:
    return float(potential(potential_batch(structure)).energy[0])


def slope(values: list[float], step: float) -> float:
    """Central difference of fourth order from values at -2, -1, 1 and 2 steps."""
    far_back, back, ahead, far_ahead = values
    return (8 * (ahead - back) - (far_ahead - far_back)) / (12 * step)


def moved(structure: Structure, atom: int, axis: int, by: float) -> Structure:
    pos = structure.pos.copy()
    pos[atom, axis] += by
    return replace(structure, pos=pos)


def strained(structure: Structure, strain: NDArray[np.float64]) -> Structure:
    deformation = np.eye(3) + strain
    return replace(structure, pos=structure.pos @ deformation, cell=structure.cell @ deformation)


def test_forces_are_the_slope_of_the_energy(potential: Potential, crystal: Structure) -> None:
    forces = potential(potential_batch(crystal)).forces
    largest = float(forces.abs().max())
    assert largest > 1e-3
    for atom in ATOMS:
        for axis in DIRECTIONS:
            values = [
                energy(potential, moved(crystal, atom, axis, n * STEP_A)) for n in (-2, -1, 1, 2)
            ]
            error = slope(values, STEP_A) + float(forces[atom, axis])
            assert abs(error) < 1e-6 * largest


def test_stress_is_the_slope_along_a_strain(potential: Potential, crystal: Structure) -> None:
    stress = potential(potential_batch(crystal)).stress[0]
    torch.testing.assert_close(stress, stress.T)
    volume = abs(np.linalg.det(crystal.cell))
    step = 1e-5
    largest = float(stress.abs().max())
    assert largest > 1e-5
    for first, second in ((0, 0), (1, 2), (2, 2)):
        direction = np.zeros((3, 3))
        direction[first, second] += 0.5
        direction[second, first] += 0.5
        values = [
            energy(potential, strained(crystal, n * step * direction)) for n in (-2, -1, 1, 2)
        ]
        error = slope(values, step) / volume - float(stress[first, second])
        assert abs(error) < 1e-6 * largest


def test_no_net_force_and_no_torque(potential: Potential, crystal: Structure) -> None:
    cluster = make_cluster()
    forces = potential(potential_batch(cluster)).forces
    scale = float(forces.abs().sum())
    assert float(forces.sum(0).abs().max()) < 1e-12 * scale
    torque = torch.linalg.cross(torch.as_tensor(cluster.pos), forces).sum(0)
    assert float(torque.abs().max()) < 1e-11 * scale
    forces = potential(potential_batch(crystal)).forces
    assert float(forces.sum(0).abs().max()) < 1e-12 * float(forces.abs().sum())


def test_forces_and_stress_turn_with_the_crystal(potential: Potential, crystal: Structure) -> None:
    turn = Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix() @ np.diag([1.0, -1.0, 1.0])
    turned = replace(crystal, pos=crystal.pos @ turn.T, cell=crystal.cell @ turn.T)
    before, after = (potential(potential_batch(s)) for s in (crystal, turned))
    matrix = torch.as_tensor(turn)
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(after.forces, before.forces @ matrix.T, rtol=0, atol=1e-9)
    expected = matrix @ before.stress @ matrix.T
    torch.testing.assert_close(after.stress, expected, rtol=0, atol=1e-10)


def test_order_batch_and_cell_do_not_matter(potential: Potential, crystal: Structure) -> None:
    alone = potential(potential_batch(crystal))
    order = np.random.default_rng(1).permutation(len(crystal.pos))
    shuffled = replace(crystal, pos=crystal.pos[order], numbers=crystal.numbers[order])
    # another choice of lattice vectors, and atoms in other cells
    change = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]])
    other = replace(crystal, cell=change @ crystal.cell)
    other.pos[:] = crystal.pos
    away = crystal.pos + np.outer(np.arange(len(crystal.pos)) % 3 - 1, crystal.cell[0])
    for variant, places in (
        (shuffled, order),
        (other, slice(None)),
        (replace(crystal, pos=away), slice(None)),
    ):
        found = potential(potential_batch(make_crystal(1), variant))
        assert float(found.energy[1]) == pytest.approx(float(alone.energy[0]), abs=1e-10)
        torch.testing.assert_close(found.forces[4:], alone.forces[places], rtol=0, atol=1e-9)
        torch.testing.assert_close(found.stress[1:], alone.stress, rtol=0, atol=1e-10)


def test_twice_the_cell_has_twice_the_energy(potential: Potential, crystal: Structure) -> None:
    pos = np.concatenate([crystal.pos, crystal.pos + crystal.cell[2]])
    numbers = np.concatenate([crystal.numbers] * 2)
    double = Structure(numbers, pos, np.diag([1, 1, 2]) @ crystal.cell, crystal.pbc)
    one, two = (potential(potential_batch(s)) for s in (crystal, double))
    assert float(two.energy[0]) == pytest.approx(2 * float(one.energy[0]), abs=1e-9)
    torch.testing.assert_close(two.forces[: len(crystal.pos)], one.forces, rtol=0, atol=1e-9)
    torch.testing.assert_close(two.stress, one.stress, rtol=0, atol=1e-9)


def test_energy_and_forces_are_continuous_at_the_cutoff(potential: Potential) -> None:
    """An atom comes into the reach of a dimer, and another one of an atom that was alone."""
    numbers = np.array([6, 8, 1, 6, 1])
    others = np.array([[0, 0, 0], [1.2, 0.3, 0], [0, 0, 0], [40, 0, 0], [0, 0, 0]], float)

    def at(distance: float) -> Structure:
        pos = others.copy()
        pos[2] = [-distance / np.sqrt(2), distance / np.sqrt(2), 0.0]
        pos[4] = [40, distance, 0]
        return Structure(numbers, pos, None, np.zeros(3, dtype=bool))

    inside, outside = (potential(potential_batch(at(CUTOFF + d))) for d in (-1e-5, 1e-5))
    near = potential(potential_batch(at(0.6 * CUTOFF)))
    assert float((near.energy - outside.energy).abs()) > 1e-4
    assert float((inside.energy - outside.energy).abs()) < 1e-8
    assert float((inside.forces - outside.forces).abs().max()) < 1e-4


@pytest.mark.parametrize("name", [name for name in POTENTIALS if name not in KINKED])
def test_forces_are_continuous_through_a_symmetric_place(name: str) -> None:
    """Vectors vanish there, whose lengths have a cusp: a change of forces shrinks with the step."""
    smooth = make_potential(potential_spec(name))
    ideal = make_crystal(1, lattice=3.7, rattle=0.0)

    def change(step: float) -> float:
        one, two = (smooth(potential_batch(moved(ideal, 0, 1, by))).forces for by in (-step, step))
        return float((one - two).abs().max())

    assert change(1e-5) < 0.2 * change(1e-4) + 1e-9


@pytest.mark.parametrize("pooling", ["add", "mean"])
def test_an_energy_of_the_graph_is_a_potential_too(crystal: Structure, pooling: str) -> None:
    potential = make_potential(potential_spec("PAINN", kind="graph", graph_pooling=pooling))
    forces = potential(potential_batch(crystal)).forces
    values = [energy(potential, moved(crystal, 1, 0, n * STEP_A)) for n in (-2, -1, 1, 2)]
    expected = pytest.approx(-float(forces[1, 0]), rel=1e-6, abs=1e-9)
    assert slope(values, STEP_A) == expected


def test_moved_positions_are_differentiated_too(crystal: Structure) -> None:
    for name in ("EGNN", "SchNet"):
        potential = make_potential(potential_spec(name, equivariance=True))
        forces = potential(potential_batch(crystal)).forces
        values = [energy(potential, moved(crystal, 1, 0, n * STEP_A)) for n in (-2, -1, 1, 2)]
        assert slope(values, STEP_A) == pytest.approx(-float(forces[1, 0]), rel=1e-6, abs=1e-9)


def test_repulsion_is_the_one_of_ziegler_biersack_and_littmark() -> None:
    """Against values of the formula for silicon, computed by hand with LAMMPS's constants."""
    potential = make_potential(potential_spec("SchNet", short_range="ZBL"))
    plain = make_potential(potential_spec("SchNet"))

    def pair(distance: float) -> Structure:
        pos = np.array([[0.0, 0, 0], [distance, 0, 0]])
        return Structure(np.array([14, 14]), pos, None, np.zeros(3, dtype=bool))

    for distance in (0.3, 0.6):
        found = energy(potential, pair(distance)) - energy(plain, pair(distance))
        a = 0.46850 / (2 * 14**0.23)
        terms = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
        screening = sum(c * np.exp(-b * distance / a) for c, b in terms)
        x = distance / (2 * 1.11)
        fade = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
        expected = 14.399645 * 14 * 14 / distance * screening * fade
        assert found == pytest.approx(expected, rel=2e-3)
    assert energy(potential, pair(2.3)) == pytest.approx(energy(plain, pair(2.3)), abs=1e-12)


def test_voigt_order() -> None:
    tensor = torch.arange(9.0).view(1, 3, 3)
    tensor = tensor + tensor.mT
    assert voigt(tensor).tolist() == [[0.0, 8.0, 16.0, 12.0, 8.0, 4.0]]
