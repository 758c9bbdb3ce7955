"""The data set `cu_au`: random Cu-Au crystals with EMT energies and forces, as extended XYZ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.crystals import Alloy, as_atoms, draw, with_results, write_frames
from hydria.data.sets.entry import DataSet

SEED = 1996
ALLOY = Alloy((29, 79), lattice=(3.615, 4.078), rattle=0.08)  # experimental constants


def frames(count: int) -> Iterator[Any]:
    """Crystals as ASE frames with energy (eV) and forces (eV/Å) of effective-medium theory.

    Source: Jacobsen, Stoltze and Nørskov, Surf. Sci. 366 (1996) 394, as ASE has it.
    """
    from ase.calculators.emt import EMT

    rng = np.random.RandomState(SEED)
    for _ in range(count):
        atoms = as_atoms(draw(ALLOY, rng))
        atoms.calc = EMT()  # type: ignore[no-untyped-call]
        yield with_results(atoms, atoms.get_potential_energy(), atoms.get_forces())


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` frames to one file."""
    write_frames(folder / "cu_au.extxyz", frames(count), count, progress)


DATA_SET = DataSet(
    "cu_au",
    "periodic 32-atom Cu-Au crystals; EMT energies and forces",
    make=make,
    count=SIZES["cu_au"].count,
)
