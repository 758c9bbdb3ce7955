"""The data set `md17`: one molecule of uracil in motion, energies and forces, as extended XYZ.

Fetched: MD17, 133 770 snapshots at 500 K from density-functional theory (Chmiela et al., Sci.
Adv. 3 (2017) e1603015). Made: a Langevin trajectory at 500 K with GFN2-xTB. eV and Å in both.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.data_sets import SIZES
from hydria.core.errors import DataError, MissingExtraError
from hydria.data.download import Remote
from hydria.data.progress import Progress
from hydria.data.sets.crystals import with_results, write_frames
from hydria.data.sets.entry import DataSet
from hydria.data.sets.molecules import as_atoms, relaxed

URACIL = "O=c1cc[nH]c(=O)[nH]1"
SEED = 500
TEMPERATURE = 500.0  # K
STEP, FRICTION = 1.0, 0.01  # fs, 1/fs
WARM_UP, STRIDE = 300, 8  # steps before the first snapshot, and between two
FILE = "md17.extxyz"


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` snapshots to one file."""
    write_frames(folder / FILE, trajectory(count), count, progress)


def trajectory(count: int) -> Iterator[Any]:
    """Snapshots as ASE frames with energy (eV) and forces (eV/Å).

    Raises:
        MissingExtraError: without rdkit or tblite.
    """
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.units import fs

    atoms = as_atoms(relaxed(URACIL))
    try:
        from tblite.ase import TBLite
    except ModuleNotFoundError as err:
        raise MissingExtraError("molecules", "tblite") from err
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    rng = np.random.RandomState(SEED)
    MaxwellBoltzmannDistribution(atoms, temperature_K=TEMPERATURE, rng=rng)
    motion: Any = Langevin(
        atoms,
        STEP * fs,
        temperature_K=TEMPERATURE,
        friction=FRICTION / fs,
        fixcm=False,
        rng=rng,
    )
    motion.run(WARM_UP)
    for _ in range(count):
        motion.run(STRIDE)
        yield with_results(atoms, atoms.get_potential_energy(), atoms.get_forces())


def convert(files: tuple[Path, ...], folder: Path, progress: Progress) -> None:
    """Write the snapshots of an MD17 archive to one file.

    Raises:
        DataError: if the file is not what its authors published.
    """
    from ase import Atoms
    from ase.units import kcal, mol

    (file,) = files
    try:
        with np.load(file, allow_pickle=False) as arrays:
            numbers, positions = arrays["z"], arrays["R"]
            energies, forces = arrays["E"].reshape(-1), arrays["F"]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as err:
        raise DataError(f"{file}: expected the arrays z, R, E and F of MD17, got {err}") from err
    count, unit = len(energies), kcal / mol
    if positions.shape != (count, len(numbers), 3) or forces.shape != positions.shape:
        raise DataError(
            f"{file}: expected R and F of shape ({count}, {len(numbers)}, 3), got "
            f"{positions.shape} and {forces.shape}"
        )
    frames = (
        with_results(
            Atoms(numbers=numbers, positions=positions[i]), energies[i] * unit, forces[i] * unit
        )
        for i in range(count)
    )
    write_frames(folder / FILE, frames, count, progress)


DATA_SET = DataSet(
    "md17",
    "uracil at 500 K: energies and forces (made: GFN2-xTB; fetched: MD17 from DFT)",
    make=make,
    count=SIZES["md17"].count,
    remote=(
        Remote("https://www.quantum-machine.org/gdml/data/npz/md17_uracil.npz", "md17_uracil.npz"),
    ),
    convert=convert,
)
