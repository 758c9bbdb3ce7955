"""Data sets that are made here: physics that can be believed, in files that say it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from hydria.data.formats import read
from hydria.data.progress import silent
from hydria.data.sets import cu_au, eam, eam_ninb, fept, ising_model, lennard_jones, multibranch
from hydria.data.sets.crystals import SITES, Alloy, Crystal, as_atoms, draw
from tests.support.raw_data import lsms_dataset

# element → lattice, constant (Å), cohesive energy (eV), bulk modulus (GPa) of the fits
METALS = {
    "Ni": ("fcc", 3.52, 4.45, 180),
    "Nb": ("bcc", 3.30, 7.57, 170),
    "Fe": ("bcc", 2.866, 4.29, 167),
    "Pt": ("fcc", 3.92, 5.77, 283),
}


@pytest.mark.parametrize("symbol", list(METALS))
def test_potentials_give_the_metals_they_were_fitted_to(symbol: str) -> None:
    lattice, constant, cohesion, modulus = METALS[symbol]
    atoms = bulk(symbol, lattice, a=constant, cubic=True)
    potential = eam.Potential((int(atoms.numbers[0]),))
    energies, forces = potential.evaluate(atoms)
    assert energies == pytest.approx(-cohesion, abs=0.01)
    assert np.abs(forces).max() < 1e-10
    assert eam_ninb.bulk_modulus(potential, atoms) == pytest.approx(modulus, rel=0.02)
    for stretched in (0.99, 1.01):
        other = atoms.copy()
        other.set_cell(atoms.cell * stretched, scale_atoms=True)
        assert potential.evaluate(other)[0].sum() > energies.sum()


def test_embedding_energies_have_no_steps() -> None:
    """Three forms follow each other; in alloys, atoms have densities on both sides of each knee."""
    for metal in eam.METALS.values():
        low, middle = (np.polynomial.Polynomial(c) for c in (metal.low, metal.middle))
        x = 1.15 * metal.rho_e / metal.rho_s
        high = metal.high * (1 - metal.eta * np.log(x)) * x**metal.eta
        assert low(0) == pytest.approx(middle(metal.knee - 1), abs=1e-4)
        assert middle(0.15) == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize("frames", [fept.frames, eam_ninb.frames, cu_au.frames])
def test_shaken_alloys_have_forces_of_shaken_alloys(frames: Any) -> None:
    largest = [np.abs(frame.get_forces()).max() for frame in frames(30)]
    assert max(largest) < 10  # eV/Å


def test_alloys_agree_with_the_calculator_of_ase() -> None:
    """The same functions in another code: its own neighbours, sums and derivatives."""
    from ase.calculators.eam import EAM

    potential = eam.Potential(eam_ninb.ALLOY.numbers)
    atoms = as_atoms(draw(eam_ninb.ALLOY, np.random.RandomState(3)))
    kinds = range(2)

    def density(kind: int, order: int = 0) -> Any:
        return lambda r: potential.density(r, order)[kind]

    def pair(a: int, b: int, order: int = 0) -> Any:
        return lambda r: potential.pair(r, order)[a, b]

    atoms.calc = EAM(
        form="alloy",
        elements=["Ni", "Nb"],
        Z=[28, 41],
        cutoff=eam.CUTOFF - 1e-9,
        embedded_energy=np.array(potential.embedding),
        electron_density=np.array([density(k) for k in kinds]),
        phi=np.array([[pair(a, b) for b in kinds] for a in kinds]),
        d_embedded_energy=np.array([spline.derivative() for spline in potential.embedding]),
        d_electron_density=np.array([density(k, 1) for k in kinds]),
        d_phi=np.array([[pair(a, b, 1) for b in kinds] for a in kinds]),
    )
    atoms.calc.Nelements = 2
    energies, forces = potential.evaluate(atoms)
    assert energies.sum() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-9)


def test_iron_in_platinum_has_the_larger_moment() -> None:
    numbers = np.tile([78.0, 26.0, 26.0, 78.0], 8)  # L1_0: layers of iron and platinum
    ordered = Crystal(numbers, SITES * 3.86, 7.72)
    electrons, moments = fept.local_columns(ordered)
    iron, platinum = numbers == 26, numbers == 78
    assert ((moments[iron] > 2.5) & (moments[iron] < 2.9)).all()
    assert ((moments[platinum] > 0.1) & (moments[platinum] < 0.4)).all()
    assert (electrons - numbers).sum() == pytest.approx(0, abs=1e-12)
    assert (electrons[platinum] > 78).all()


def test_iron_platinum_files_read_back(tmp_path: Path) -> None:
    fept.make(tmp_path, 2, silent)
    found = read(tmp_path / "raw", lsms_dataset())
    crystal = draw(fept.ALLOY, np.random.RandomState(fept.SEED))
    assert np.array_equal(found.pos[:32], crystal.pos)
    energies, _ = eam.Potential(fept.ALLOY.numbers).evaluate(as_atoms(crystal))
    assert found.graph["free_energy_scaled_num_nodes"][0, 0] == pytest.approx(
        energies.sum() / 13.605693, abs=1e-5
    )


def test_bulk_files_hold_what_the_atoms_add_up_to(tmp_path: Path) -> None:
    eam_ninb.make(tmp_path, 2, silent)
    dataset = lsms_dataset(
        format="CFG",
        node_features={"name": ["energy", "force"], "dim": [1, 3], "column_index": [2, 3]},
        graph_features={"name": ["total", "volume", "bulk_modulus"]},
    )
    found = read(tmp_path / "raw", dataset)
    sums = np.add.reduceat(found.node["energy"], found.node_ptr[:-1])
    np.testing.assert_allclose(sums, found.graph["total"], atol=1e-4)
    np.testing.assert_allclose(np.linalg.det(found.cell), found.graph["volume"][:, 0], rtol=1e-5)
    assert ((found.graph["bulk_modulus"] > 50) & (found.graph["bulk_modulus"] < 300)).all()
    assert np.abs(np.add.reduceat(found.node["force"], found.node_ptr[:-1])).max() < 1e-4


@pytest.mark.parametrize("frames", [cu_au.frames, lennard_jones.frames, multibranch.silicon])
def test_frames_carry_energies_and_forces_that_balance(frames: Any) -> None:
    found = list(frames(3))
    assert len(found) == 3
    for frame in found:
        assert frame.pbc.all()
        assert np.isfinite(frame.get_potential_energy())
        assert np.abs(frame.get_forces().sum(axis=0)).max() < 1e-2
        assert np.abs(frame.get_forces()).max() > 1e-3


def test_argon_is_bound_and_known() -> None:
    """The energy of one frame by a plain sum over pairs and images."""
    frame = next(iter(lennard_jones.frames(1)))
    sigma, epsilon = lennard_jones.SIGMA, lennard_jones.EPSILON
    inner, outer = lennard_jones.SWITCH, lennard_jones.CUTOFF
    total = 0.0
    for image in product((-1, 0, 1), repeat=3):
        vectors = frame.positions[None] + image @ frame.cell.array - frame.positions[:, None]
        r = np.linalg.norm(vectors, axis=-1)
        r = r[(r > 0) & (r < outer)]
        u = 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)
        x, a, b = r**2, inner**2, outer**2
        smooth = np.where(r < inner, 1.0, (b - x) ** 2 * (b + 2 * x - 3 * a) / (b - a) ** 3)
        total += (u * smooth).sum() / 2
    assert frame.get_potential_energy() == pytest.approx(total, abs=1e-9)
    assert -0.09 < total / len(frame) < 0


def test_ising_energies_count_every_bond_once() -> None:
    rng = np.random.RandomState(0)
    length = ising_model.LENGTH
    spins = rng.choice([-1, 1], size=(1, length, length, length))
    total = 0
    for x, y, z in product(range(length), repeat=3):
        here = spins[0, x, y, z]
        for dx, dy, dz in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
            there = spins[0, (x + dx) % length, (y + dy) % length, (z + dz) % length]
            total -= here * there
    assert ising_model.energy(spins)[0] == total
    assert ising_model.energy(np.ones_like(spins))[0] == -3 * length**3


def test_ising_chains_are_in_equilibrium(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean energy of eight spins against the sum over all 256 states."""
    temperature = 6.0
    monkeypatch.setattr(ising_model, "LENGTH", 2)
    monkeypatch.setattr(ising_model, "SWEEPS", 60)
    monkeypatch.setattr(ising_model, "TEMPERATURE", (temperature, temperature))
    states = np.array(list(product((-1, 1), repeat=8))).reshape(-1, 2, 2, 2)
    energies = ising_model.energy(states)
    weights = np.exp(-energies / temperature)
    exact = (weights * energies).sum() / weights.sum()
    spread = np.sqrt((weights * (energies - exact) ** 2).sum() / weights.sum())
    count = 3000
    sampled = ising_model.energy(ising_model.sample(count, np.random.RandomState(1), silent))
    assert sampled.mean() == pytest.approx(exact, abs=4 * spread / np.sqrt(count))


def test_five_branches_get_the_structures_asked_for(tmp_path: Path) -> None:
    multibranch.make(tmp_path, 7, silent)
    dataset = lsms_dataset(
        format="extxyz",
        node_features={"name": ["forces"], "dim": [3]},
        graph_features={"name": ["energy"]},
    )
    found = read(tmp_path, dataset)
    files = [name.split(".")[0] for name in found.names]
    assert {file: files.count(file) for file in files} == {
        "argon": 1, "copper_gold": 2, "iron_platinum": 1, "nickel_niobium": 2, "silicon": 1,
    }  # fmt: skip


def test_lattices_follow_the_composition() -> None:
    rng = np.random.RandomState(0)
    crystals = [draw(Alloy((28, 41), (3.5, 4.2), 0.0), rng) for _ in range(50)]
    fractions = [(crystal.numbers == 41).mean() for crystal in crystals]
    assert min(fractions) < 0.1
    assert max(fractions) > 0.9
    for crystal, fraction in zip(crystals, fractions, strict=True):
        assert crystal.edge == pytest.approx(2 * (3.5 + 0.7 * fraction))
