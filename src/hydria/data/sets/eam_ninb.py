"""The data set `eam_ninb`: fcc Ni-Nb solid solutions in CFG files, from an EAM potential.

Each CFG file holds the energy and the force of every atom; the `.bulk` file beside it the energy
(eV), the volume (Å³) and the bulk modulus (GPa) of the structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.crystals import Alloy, as_atoms, draw, with_results
from hydria.data.sets.eam import Potential
from hydria.data.sets.entry import DataSet

SEED = 2004
# what the potential gives for fcc nickel and fcc niobium
ALLOY = Alloy((28, 41), lattice=(3.52, 4.16), rattle=0.05)
STRETCH = (0.98, 1.02)
STRAIN = 0.005  # of the lattice vectors, for the second derivative
AXES = ("fx", "fy", "fz")


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` pairs of files to `folder`/raw."""
    from ase.io.cfg import write_cfg

    raw = folder / "raw"
    raw.mkdir(parents=True)
    potential = Potential(ALLOY.numbers)
    for index, atoms in enumerate(_crystals(count)):
        energies, forces = potential.evaluate(atoms)
        modulus = bulk_modulus(potential, atoms)
        atoms.arrays["c_peratom"] = energies
        for axis, name in enumerate(AXES):
            atoms.arrays[name] = forces[:, axis]
        write_cfg(str(raw / f"NiNb_{index:04d}.cfg"), atoms)
        (raw / f"NiNb_{index:04d}.bulk").write_text(
            f"{energies.sum():.8f} {atoms.get_volume():.8f} {modulus:.8f}\n", encoding="ascii"
        )
        progress("structures", index + 1, count)


def _crystals(count: int) -> Iterator[Any]:
    rng = np.random.RandomState(SEED)
    for _ in range(count):
        yield as_atoms(draw(ALLOY, rng, stretch=rng.uniform(*STRETCH)))


def bulk_modulus(potential: Potential, atoms: Any) -> float:
    """V d²E/dV² at fixed scaled positions, GPa; second difference of three energies."""
    from ase.units import GPa

    volume = atoms.get_volume()
    volumes, energies = [], []
    for strain in (-STRAIN, 0.0, STRAIN):
        strained = atoms.copy()
        strained.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
        volumes.append(strained.get_volume())
        energies.append(potential.evaluate(strained)[0].sum())
    # the volumes are not evenly spaced: a parabola through the three
    curvature = 2 * np.polynomial.Polynomial.fit(volumes, energies, 2).convert().coef[2]
    return float(volume * curvature / GPa)


def frames(count: int) -> Iterator[Any]:
    """Crystals as ASE frames with energy (eV) and forces (eV/Å)."""
    potential = Potential(ALLOY.numbers)
    for atoms in _crystals(count):
        energies, forces = potential.evaluate(atoms)
        yield with_results(atoms, float(energies.sum()), forces)


DATA_SET = DataSet(
    "eam_ninb",
    "periodic 32-atom Ni-Nb crystals in CFG files; EAM energies, forces, bulk moduli",
    make=make,
    count=SIZES["eam_ninb"].count,
)
