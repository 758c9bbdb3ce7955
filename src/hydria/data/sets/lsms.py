"""The data set `lsms`: random Cu-Au crystals in LSMS text, energies from the EMT potential.

The energy is that of effective-medium theory as ASE has it (Jacobsen, Stoltze and Nørskov,
Surf. Sci. 366 (1996) 394). It gives neither charges nor moments; `local_columns` is the model that
fills those columns. configs/README.md states all of it for users.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.crystals import (
    Alloy,
    Crystal,
    as_atoms,
    by_element,
    draw,
    electrons,
    lsms_text,
    pair_weights,
    write_lattices,
)
from hydria.data.sets.entry import DataSet
from hydria.data.structures import Floats

SEED = 2021
COPPER, GOLD = 29, 79
ALLOY = Alloy((COPPER, GOLD), lattice=(3.615, 4.078), rattle=0.03)  # experimental constants
SCREENING = {COPPER: 1.0, GOLD: 2.0}


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` structures to `folder`/raw and their lattices to `folder`/lattice.csv.

    The same `count` gives the same files, bit for bit.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    # RandomState's streams are frozen for all versions of NumPy; those of Generator are not
    rng = np.random.RandomState(SEED)
    edges = []
    for index in range(count):
        crystal = draw(ALLOY, rng)
        name = f"CuAu_{index:04d}.txt"
        text = lsms_text(crystal, energy(crystal), *local_columns(crystal))
        (raw / name).write_text(text, encoding="ascii")
        edges.append((name, crystal.edge))
        progress("structures", index + 1, count)
    write_lattices(folder, edges)


def energy(crystal: Crystal) -> float:
    """Total energy in Rydberg; zero is the pure elements in equilibrium."""
    from ase.calculators.emt import EMT
    from ase.units import Rydberg

    atoms = as_atoms(crystal)
    atoms.calc = EMT()  # type: ignore[no-untyped-call]
    return float(atoms.get_potential_energy()) / float(Rydberg)


def local_columns(crystal: Crystal) -> tuple[Floats, Floats]:
    """Electrons and magnetic moment of each atom, each (32,): smooth in the positions.

    moment_i = 1 / (1 + sum_j s_j w(r_ij)) closes as others come near; electrons and w are those of
    `crystals`.
    """
    weights = pair_weights(crystal)
    screening = by_element(crystal.numbers, SCREENING)
    return electrons(crystal, weights), 1.0 / (1.0 + weights @ screening)


DATA_SET = DataSet(
    "lsms",
    "periodic 32-atom Cu-Au crystals in LSMS text; EMT energies",
    make=make,
    count=SIZES["lsms"].count,
)
