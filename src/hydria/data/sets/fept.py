"""The data set `fept`: random Fe-Pt crystals in LSMS text, energies from an EAM potential.

It stands in for the FePt study of the HydraGNN manual, whose data comes from LSMS itself. The
energy is that of the potential in `eam`; it gives neither charges nor moments, which
`local_columns` models. configs/README.md states all of it for users.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.crystals import (
    Alloy,
    Crystal,
    as_atoms,
    draw,
    electrons,
    lsms_text,
    pair_weights,
    with_results,
    write_lattices,
)
from hydria.data.sets.eam import Potential
from hydria.data.sets.entry import DataSet
from hydria.data.structures import Floats

SEED = 1963
IRON, PLATINUM = 26, 78
# what the potential gives for fcc iron, and for platinum
ALLOY = Alloy((IRON, PLATINUM), lattice=(3.63, 3.92), rattle=0.05)
# μB of iron among iron and among platinum, and of platinum among iron: about bcc iron (2.2) and
# the ordered alloy FePt (2.9 and 0.35)
IRON_ALONE, IRON_IN_PLATINUM, INDUCED = 2.2, 2.9, 0.4


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` structures to `folder`/raw and their lattices to `folder`/lattice.csv."""
    from ase.units import Rydberg

    raw = folder / "raw"
    raw.mkdir(parents=True)
    potential = Potential(ALLOY.numbers)
    rng = np.random.RandomState(SEED)
    edges = []
    for index in range(count):
        crystal = draw(ALLOY, rng)
        energy = float(potential.evaluate(as_atoms(crystal))[0].sum()) / float(Rydberg)
        name = f"FePt_{index:04d}.txt"
        text = lsms_text(crystal, energy, *local_columns(crystal))
        (raw / name).write_text(text, encoding="ascii")
        edges.append((name, crystal.edge))
        progress("structures", index + 1, count)
    write_lattices(folder, edges)


def local_columns(crystal: Crystal) -> tuple[Floats, Floats]:
    """Electrons and magnetic moment (μB) of each atom, each (32,): smooth in the positions.

    With p_i the share of platinum among the neighbours of atom i, weighted by w of `crystals`, iron
    has the moment IRON_ALONE + (IRON_IN_PLATINUM - IRON_ALONE) p_i and platinum INDUCED (1 - p_i).
    """
    weights = pair_weights(crystal)
    platinum = crystal.numbers == PLATINUM
    share = weights @ platinum / weights.sum(axis=1)
    iron = IRON_ALONE + (IRON_IN_PLATINUM - IRON_ALONE) * share
    return electrons(crystal, weights), np.where(platinum, INDUCED * (1 - share), iron)


def frames(count: int) -> Iterator[Any]:
    """Crystals as ASE frames with energy (eV) and forces (eV/Å)."""
    potential = Potential(ALLOY.numbers)
    rng = np.random.RandomState(SEED)
    for _ in range(count):
        atoms = as_atoms(draw(ALLOY, rng))
        energies, forces = potential.evaluate(atoms)
        yield with_results(atoms, float(energies.sum()), forces)


DATA_SET = DataSet(
    "fept",
    "periodic 32-atom Fe-Pt crystals in LSMS text; EAM energies (Zhou et al. 2004)",
    make=make,
    count=SIZES["fept"].count,
)
