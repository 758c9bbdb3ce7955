"""The data set `ising_model`: spins on a periodic cubic lattice, in LSMS text.

E = -J sum_<ij> s_i s_j over the 3 L^3 bonds of an L x L x L lattice. Each configuration comes from
a Markov chain of its own (Metropolis, both sublattices in turn) at a temperature drawn evenly
around the transition at 4.51 J/k_B. The energy is the exact sum.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.entry import DataSet

SEED = 1925
LENGTH = 4  # sites along an edge, even: two sublattices
COUPLING = 1.0  # J; energies are in its units
TEMPERATURE = (2.0, 9.0)  # J/k_B
SWEEPS = 300

Spins = NDArray[np.int64]


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` configurations to `folder`/raw.

    Line 1 holds the energy and the magnetisation. Each further line: 1, index, x, y, z (lattice
    constants), spin, and J times the sum of the six neighbouring spins.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    spins = sample(count, np.random.RandomState(SEED), progress)
    fields = local_field(spins)
    sites = np.stack(np.meshgrid(*[np.arange(LENGTH)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for index, (configuration, field) in enumerate(zip(spins, fields, strict=True)):
        lines = [f"{energy(configuration[None])[0]:.8f} {configuration.sum()}"]
        columns = zip(sites, configuration.ravel(), field.ravel(), strict=True)
        lines += [f"1 {site} {x} {y} {z} {s} {h}" for site, ((x, y, z), s, h) in enumerate(columns)]
        (raw / f"ising_{index:04d}.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def sample(count: int, rng: np.random.RandomState, progress: Progress) -> Spins:
    """(count, L, L, L) configurations, each in equilibrium at a temperature of its own."""
    shape = (count, LENGTH, LENGTH, LENGTH)
    beta = 1 / rng.uniform(*TEMPERATURE, size=(count, 1, 1, 1))
    spins = rng.choice([-1, 1], size=shape)
    even = np.indices(shape[1:]).sum(axis=0) % 2 == 0
    for sweep in range(SWEEPS):
        for sublattice in (even, ~even):
            cost = 2 * spins * local_field(spins)
            accepted = rng.uniform(size=shape) < np.exp(-beta * np.maximum(cost, 0))
            spins = np.where(accepted & sublattice, -spins, spins)
        progress("sweeps", sweep + 1, SWEEPS)
    return spins


def local_field(spins: Spins) -> NDArray[np.float64]:
    """J times the sum of the six neighbouring spins of each site."""
    neighbours = [np.roll(spins, step, axis) for axis in (1, 2, 3) for step in (1, -1)]
    field: NDArray[np.float64] = COUPLING * np.sum(neighbours, axis=0)
    return field


def energy(spins: Spins) -> NDArray[np.float64]:
    """(count,) total energies; every bond once."""
    total: NDArray[np.float64] = -(spins * local_field(spins)).sum(axis=(1, 2, 3)) / 2
    return total


DATA_SET = DataSet(
    "ising_model",
    "spins on a 4 x 4 x 4 lattice by Monte Carlo; exact Ising energies",
    make=make,
    count=SIZES["ising_model"].count,
)
