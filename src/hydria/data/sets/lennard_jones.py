"""The data set `lennard_jones`: argon crystals, stretched and shaken, as extended XYZ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.crystals import Alloy, as_atoms, draw, with_results, write_frames
from hydria.data.sets.entry import DataSet

SEED = 1924
ARGON = 18
LATTICE = 5.26  # Å
EPSILON, SIGMA = 0.0103, 3.4  # eV, Å
SWITCH, CUTOFF = 5.0, 6.0  # Å; smooth to zero in between
STRETCH = (0.97, 1.05)
RATTLE = (0.02, 0.20)  # Å, standard deviation of each coordinate: a cold crystal to a hot one


def frames(count: int) -> Iterator[Any]:
    """Periodic cells of 32 atoms as ASE frames with energy (eV) and forces (eV/Å)."""
    from ase.calculators.lj import LennardJones

    rng = np.random.RandomState(SEED)
    for _ in range(count):
        alloy = Alloy((ARGON, ARGON), (LATTICE, LATTICE), rng.uniform(*RATTLE))
        atoms = as_atoms(draw(alloy, rng, stretch=rng.uniform(*STRETCH)))
        atoms.calc = LennardJones(  # type: ignore[no-untyped-call]
            epsilon=EPSILON, sigma=SIGMA, ro=SWITCH, rc=CUTOFF, smooth=True
        )
        yield with_results(atoms, atoms.get_potential_energy(), atoms.get_forces())


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` frames to one file."""
    write_frames(folder / "lennard_jones.extxyz", frames(count), count, progress)


DATA_SET = DataSet(
    "lennard_jones",
    "periodic 32-atom argon crystals; Lennard-Jones energies and forces",
    make=make,
    count=SIZES["lennard_jones"].count,
)
