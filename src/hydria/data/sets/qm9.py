"""The data set `qm9`: small organic molecules, their shapes and properties, as extended XYZ.

Fetched: QM9 itself, 130 831 molecules at the level B3LYP/6-31G(2df,p) (Ramakrishnan, Dral, Rupp and
von Lilienfeld, Sci. Data 1 (2014) 140022, CC0), without those that its authors found inconsistent.
Made: molecules of up to nine atoms of C, N, O and F besides hydrogen; the free energy is the energy
of GFN2-xTB in a minimum of MMFF94 and, on top, that of an ideal gas of rigid rotors with the
harmonic vibrations of MMFF94. Energies in eV, the dipole moment `mu` in Debye.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydria.config.data_sets import SIZES
from hydria.core.errors import DataError
from hydria.data.download import Remote
from hydria.data.progress import Progress
from hydria.data.sets.crystals import write_frames
from hydria.data.sets.entry import DataSet
from hydria.data.sets.molecules import (
    as_atoms,
    collection,
    electronic,
    first,
    is_linear,
    relaxed,
    vibrations,
)

ELEMENTS = frozenset("CNOF")
HEAVY = 9
TEMPERATURE, PRESSURE = 298.15, 101325.0  # K, Pa
STIFFEST = 0.6  # eV; hydrogen itself vibrates with 0.54
FILE = "qm9.extxyz"

# QM9's names of what stands on the second line of a file, in its order, after "gdb" and a number
COLUMNS = (
    "A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H",
    "free_energy", "Cv",
)  # fmt: skip
IN_HARTREE = {"homo", "lumo", "gap", "zpve", "U0", "U", "H", "free_energy"}
# lines around the numbers in the list of inconsistent molecules
HEAD, FOOT = 9, 1


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` molecules to one file."""
    molecules = collection(ELEMENTS, 2, HEAVY, cut=True)
    write_frames(folder / FILE, first(count, molecules, described, progress), count, progress)


def described(smiles: str) -> Any | None:
    """The molecule with its properties as an ASE frame; None where a calculation fails."""
    from ase.thermochemistry import IdealGasThermo

    molecule = relaxed(smiles)
    state = None if molecule is None else electronic(molecule, "GFN2-xTB")
    if state is None:
        return None
    atoms, modes = as_atoms(molecule), vibrations(molecule)
    if modes.min() <= 0 or modes.max() > STIFFEST:  # no minimum, or a kink of the force field
        return None
    gas = IdealGasThermo(
        vib_energies=modes.tolist(),
        geometry="linear" if is_linear(atoms) else "nonlinear",
        potentialenergy=state.energy,
        atoms=atoms,
        symmetrynumber=1,
        spin=0,
    )
    atoms.info = {
        "smiles": smiles,
        "mu": state.dipole,
        "homo": state.homo,
        "lumo": state.lumo,
        "gap": state.lumo - state.homo,
        "zpve": modes.sum() / 2,
        "U0": state.energy + modes.sum() / 2,
        "free_energy": gas.get_gibbs_energy(TEMPERATURE, PRESSURE, verbose=False),
    }
    return atoms


def convert(files: tuple[Path, ...], folder: Path, progress: Progress) -> None:
    """Write the molecules of QM9's archive to one file.

    Raises:
        DataError: if a file is not what its authors published.
    """
    archive, uncharacterized = files
    lines = uncharacterized.read_text(encoding="utf-8").splitlines()[HEAD:-FOOT]
    try:
        wrong = {int(line.split()[0]) for line in lines if line.strip()}
    except (ValueError, IndexError) as err:
        raise DataError(f"{uncharacterized}: expected QM9's list of molecules, got {err}") from err
    write_frames(folder / FILE, _frames(archive, wrong), 0, progress)


def _frames(archive: Path, wrong: set[int]) -> Iterator[Any]:
    try:
        with tarfile.open(archive, "r|*") as members:
            for member in members:
                stream = members.extractfile(member)
                if stream is None or not member.name.endswith(".xyz"):
                    continue
                number, frame = parse(member.name, stream.read().decode("ascii"))
                if number not in wrong:
                    yield frame
    except tarfile.TarError as err:
        raise DataError(f"{archive}: expected QM9's archive, got {err}") from err


def parse(name: str, text: str) -> tuple[int, Any]:
    """Number and ASE frame of one file of QM9.

    Raises:
        DataError: names the file that is malformed.
    """
    from ase import Atoms
    from ase.units import Hartree

    lines = text.replace("*^", "e").splitlines()  # how some exponents are written
    try:
        count = int(lines[0])
        _, number, *values = lines[1].split()
        atoms = [line.split()[:4] for line in lines[2 : 2 + count]]
        frame = Atoms(
            [symbol for symbol, *_ in atoms], [[float(x) for x in pos] for _, *pos in atoms]
        )
        info: dict[str, Any] = {
            key: float(value) * (Hartree if key in IN_HARTREE else 1)
            for key, value in zip(COLUMNS, values, strict=True)
        }
        info["smiles"] = lines[3 + count].split()[0]
    except (ValueError, IndexError, KeyError) as err:
        raise DataError(f"{name}: expected a molecule as QM9 has it, got {err!r}") from err
    frame.info = info
    return int(number), frame


DATA_SET = DataSet(
    "qm9",
    "small organic molecules: free energies, orbitals (made: GFN2-xTB; fetched: QM9, CC0)",
    make=make,
    count=SIZES["qm9"].count,
    remote=(
        Remote(
            "https://ndownloader.figshare.com/files/3195389",
            "dsgdb9nsd.xyz.tar.bz2",
            md5="ad1ebd51ee7f5b3a6e32e974e5d54012",
        ),
        Remote(
            "https://ndownloader.figshare.com/files/3195404",
            "uncharacterized.txt",
            md5="a361887bacb427b8a0ce7903d92a53b4",
        ),
    ),
    convert=convert,
)
