"""What a scientist looks at before trusting a potential: a crystal under pressure, strain and heat.

Everything is computed through ASE's interface, so that a reference potential (any calculator) goes
through the same steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from numpy.typing import NDArray

from hydria.core.errors import HydriaError

Array = NDArray[np.float64]
Crystal = Any
"""`ase.Atoms`, whose methods have no types."""

MAX_FORCE = 1e-3  # eV/Å, of relaxations
MAX_STEPS = 500
STRAIN = 5e-3
VOLUMES = np.linspace(0.92, 1.08, 9)
# what a vacancy is cut out of has at least this many atoms
VACANCY_ATOMS = 60
MD_ATOMS = 60
EQUILIBRATION = 0.2  # part of the run before the drift is measured
GPA_PER_EV_A3 = 1.0 / units.GPa


@dataclass(frozen=True)
class Molecular:
    """Dynamics at constant energy.

    Attributes:
        time_ps: (T,) times of the samples.
        energy: (T,) total energy, meV/atom, from its mean on.
        drift: slope times length, meV/atom.
        temperature: mean, K.
    """

    time_ps: list[float]
    energy: list[float]
    drift: float
    temperature: float


@dataclass(frozen=True)
class Validation:
    """What was found for one calculator.

    Attributes:
        lattice: lengths of the relaxed cell, Å.
        energy: of the relaxed crystal, eV/atom.
        volumes, energies: equation of state, Å³/atom and eV/atom.
        bulk_modulus: of it, GPa.
        elastic: (6, 6) elastic constants in Voigt's order, GPa.
        vacancy: energy to take an atom out, its neighbours relaxed, eV.
        dynamics: at constant energy; None when left out.
    """

    lattice: list[float]
    energy: float
    volumes: list[float]
    energies: list[float]
    bulk_modulus: float
    elastic: list[list[float]]
    vacancy: float
    dynamics: Molecular | None

    def to_json(self) -> dict[str, Any]:
        """As it is kept in a file."""
        return asdict(self)


def validate(
    crystal: Crystal,
    calculator: Calculator,
    *,
    time_ps: float = 5.0,
    step_fs: float = 1.0,
    temperature: float = 300.0,
    seed: int = 0,
) -> Validation:
    """Relax a crystal and measure its equation of state, elasticity, vacancy and energy drift.

    Args:
        crystal: periodic along all axes.
        calculator: of the energies.
        time_ps: length of the dynamics; 0 leaves them out.
        step_fs: their time step.
        temperature: at which velocities are drawn, K; about half of it remains.
        seed: of the velocities.

    Raises:
        HydriaError: if the crystal is not periodic, or does not relax.
    """
    if not crystal.pbc.all():
        raise HydriaError(
            f"crystal: expected atoms that are periodic along all axes, got {crystal.pbc.tolist()}"
        )
    relaxed = _relaxed(crystal, calculator)
    volumes, energies = equation_of_state(relaxed, calculator)
    return Validation(
        lattice=relaxed.cell.lengths().tolist(),
        energy=relaxed.get_potential_energy() / len(relaxed),
        volumes=volumes.tolist(),
        energies=energies.tolist(),
        bulk_modulus=bulk_modulus(volumes, energies),
        elastic=elastic_constants(relaxed, calculator).tolist(),
        vacancy=vacancy_energy(relaxed, calculator),
        dynamics=_dynamics(relaxed, calculator, time_ps, step_fs, temperature, seed)
        if time_ps
        else None,
    )


def _relaxed(crystal: Crystal, calculator: Calculator) -> Crystal:
    atoms = _with(crystal, calculator)
    cell: Crystal = FrechetCellFilter(atoms)  # type: ignore[no-untyped-call]
    if not _relax(cell, MAX_FORCE, MAX_STEPS):
        raise HydriaError(
            f"crystal: expected it to relax to forces below {MAX_FORCE} eV/Å in {MAX_STEPS} steps, "
            "got larger ones. Hint: is it a crystal that the potential was trained on?"
        )
    return atoms


def _relax(atoms: Crystal, max_force: float, steps: int) -> bool:
    """Move atoms until no force (eV/Å) is larger; whether that was reached."""
    return bool(BFGS(atoms, logfile=None).run(fmax=max_force, steps=steps))  # type: ignore[no-untyped-call]


def _with(atoms: Crystal, calculator: Calculator) -> Crystal:
    new: Crystal = atoms.copy()
    new.calc = calculator
    return new


def equation_of_state(relaxed: Crystal, calculator: Calculator) -> tuple[Array, Array]:
    """Volumes (Å³/atom) and energies (eV/atom) of the crystal, its atoms relaxed in each cell."""
    volumes, energies = [], []
    for factor in VOLUMES:
        atoms = _with(relaxed, calculator)
        atoms.set_cell(relaxed.cell * factor ** (1 / 3), scale_atoms=True)
        _relax(atoms, 10 * MAX_FORCE, 50)
        volumes.append(atoms.get_volume() / len(atoms))
        energies.append(atoms.get_potential_energy() / len(atoms))
    return np.array(volumes), np.array(energies)


def bulk_modulus(volumes: Array, energies: Array) -> float:
    """GPa, from a fit of Birch and Murnaghan's equation."""
    fit = EquationOfState(volumes, energies, eos="birchmurnaghan")  # type: ignore[no-untyped-call]
    _, _, modulus = fit.fit()  # type: ignore[no-untyped-call]
    return float(modulus * GPA_PER_EV_A3)


def elastic_constants(relaxed: Crystal, calculator: Calculator) -> Array:
    """(6, 6) GPa: stress along six strains, each in both directions, atoms relaxed."""
    columns = []
    for place, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        stresses = []
        for sign in (1.0, -1.0):
            strain = np.zeros((3, 3))
            # a shear of Voigt's is twice the off-diagonal element
            strain[i, j] += sign * STRAIN / (1.0 if place < 3 else 2.0)
            strain[j, i] = strain[i, j]
            atoms = _with(relaxed, calculator)
            atoms.set_cell(relaxed.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            _relax(atoms, 10 * MAX_FORCE, 50)
            stresses.append(atoms.get_stress())
        columns.append((stresses[0] - stresses[1]) / (2 * STRAIN) * GPA_PER_EV_A3)
    constants = np.array(columns).T
    symmetric: Array = 0.5 * (constants + constants.T)
    return symmetric


def vacancy_energy(relaxed: Crystal, calculator: Calculator) -> float:
    """``E(N - 1) - (N - 1)/N E(N)``, eV, of the first atom's vacancy at constant volume."""
    whole = _with(relaxed.repeat(_repeats(relaxed, VACANCY_ATOMS)), calculator)
    perfect = whole.get_potential_energy() / len(whole)
    atoms = _with(whole, calculator)
    del atoms[0]
    _relax(atoms, 10 * MAX_FORCE, 200)
    return float(atoms.get_potential_energy() - len(atoms) * perfect)


def _repeats(atoms: Crystal, least: int) -> tuple[int, int, int]:
    """How often to repeat a cell along each axis, towards a cube of enough atoms."""
    edge = (atoms.get_volume() / len(atoms) * least) ** (1 / 3)
    counts = [max(1, round(edge / length)) for length in atoms.cell.lengths()]
    while np.prod(counts) * len(atoms) < least:
        shortest = int(np.argmin(np.array(counts) * atoms.cell.lengths()))
        counts[shortest] += 1
    return counts[0], counts[1], counts[2]


def _dynamics(
    relaxed: Crystal,
    calculator: Calculator,
    time_ps: float,
    step_fs: float,
    temperature: float,
    seed: int,
) -> Molecular:
    atoms = _with(relaxed.repeat(_repeats(relaxed, MD_ATOMS)), calculator)
    rng = np.random.default_rng(seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    Stationary(atoms)
    steps = round(time_ps * 1000 / step_fs)
    every = max(1, steps // 500)
    times, energies, temperatures = [], [], []
    dynamics: Any = VelocityVerlet(atoms, step_fs * units.fs)

    def note() -> None:
        times.append(dynamics.get_time() / (1000 * units.fs))
        energies.append(atoms.get_total_energy() / len(atoms) * 1000)
        temperatures.append(atoms.get_temperature())

    dynamics.attach(note, interval=every)
    dynamics.run(steps)
    values = np.array(energies) - np.mean(energies)
    return Molecular(
        [float(t) for t in times],
        values.tolist(),
        drift_of(times, values),
        float(np.mean(temperatures)),
    )


def drift_of(times: Sequence[float], energies: Array) -> float:
    """Slope of the energy times the length of the run, after the first fifth of it."""
    first = int(len(times) * EQUILIBRATION)
    late = np.asarray(times)[first:]
    slope = np.polyfit(late, energies[first:], 1)[0] if len(late) > 1 else 0.0
    return float(slope * (times[-1] - times[0]))
