"""Molecules for data sets: which ones, in which shape, and what quantum chemistry says of them.

The molecules are the first 5 000 of the Open NCI Database (public domain), which rdkit brings
along. Shapes are minima of the MMFF94 force field, energies and orbitals those of the extended
tight-binding methods (Grimme, Bannwarth and Shushkov, J. Chem. Theory Comput. 13 (2017) 1989;
Bannwarth, Ehlert and Grimme, ibid. 15 (2019) 1652) as tblite has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hydria.core.errors import DataError, MissingExtraError
from hydria.data.progress import Progress
from hydria.data.structures import Floats

COLLECTION = "NCI/first_5K.smi"
SEED = 0
STEP = 1e-3  # Å, of differences of gradients


@dataclass(frozen=True)
class Electronic:
    """What a tight-binding calculation says of a molecule at fixed positions.

    Attributes:
        energy: total energy, eV.
        homo, lumo: energies of the frontier orbitals, eV.
        dipole: its length, Debye.
    """

    energy: float
    homo: float
    lumo: float
    dipole: float


def chemistry() -> Any:
    """rdkit's `Chem`, silent.

    Raises:
        MissingExtraError: without rdkit.
    """
    try:
        from rdkit import Chem, RDLogger
    except ModuleNotFoundError as err:
        raise MissingExtraError("molecules", "rdkit") from err
    # what it says of single molecules goes to stderr; those are passed over here
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    return Chem


def collection(elements: frozenset[str], least: int, most: int, cut: bool = False) -> Iterator[str]:
    """Different neutral molecules of the collection as canonical SMILES, in a fixed random order.

    Args:
        elements: the only ones allowed, besides hydrogen.
        least, most: number of atoms besides hydrogen.
        cut: also what is left on both sides when a single bond outside rings is cut and both ends
            are saturated with hydrogen.

    Raises:
        DataError: if this rdkit lacks the collection.
    """
    chem = chemistry()
    from rdkit import RDConfig

    file = Path(RDConfig.RDDataDir) / COLLECTION
    if not file.is_file():
        raise DataError(
            f"{file}: expected the molecules that rdkit brings along, got nothing there. "
            "Hint: install rdkit from PyPI (pip install --force-reinstall rdkit)"
        )
    lines = file.read_text(encoding="ascii").splitlines()
    seen: set[str] = set()
    # the source is sorted by families
    for index in np.random.RandomState(SEED).permutation(len(lines)):
        molecule = chem.MolFromSmiles(lines[index].split()[0])
        if molecule is None:
            continue
        for part in (molecule, *(_halves(chem, molecule, most) if cut else ())):
            if not least <= part.GetNumHeavyAtoms() <= most:
                continue
            smiles = chem.MolToSmiles(part, isomericSmiles=False)
            if smiles not in seen and _is_plain(part, smiles, elements):
                seen.add(smiles)
                yield smiles


def _is_plain(molecule: Any, smiles: str, elements: frozenset[str]) -> bool:
    """Whether it is one neutral molecule of the elements, without radicals and isotopes."""
    atoms = list(molecule.GetAtoms())
    return (
        "." not in smiles
        and sum(atom.GetFormalCharge() for atom in atoms) == 0
        and all(atom.GetSymbol() in elements for atom in atoms)
        and not any(atom.GetNumRadicalElectrons() or atom.GetIsotope() for atom in atoms)
    )


def _halves(chem: Any, molecule: Any, most: int) -> Iterator[Any]:
    for bond in molecule.GetBonds():
        if bond.IsInRing() or bond.GetBondTypeAsDouble() != 1.0:
            continue
        editable = chem.RWMol(molecule)
        editable.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        for half in chem.GetMolFrags(editable, asMols=True, sanitizeFrags=False):
            if half.GetNumHeavyAtoms() > most:
                continue
            # what was written with hydrogens keeps the room that the bond left
            for atom in half.GetAtoms():
                atom.SetNoImplicit(False)
            if chem.SanitizeMol(half, catchErrors=True) == 0:
                yield half


def relaxed(smiles: str) -> Any | None:
    """The molecule with hydrogen atoms in a minimum of MMFF94; None where there is none."""
    chem = chemistry()
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    molecule = chem.AddHs(chem.MolFromSmiles(smiles))
    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed = SEED
    if rdDistGeom.EmbedMolecule(molecule, settings) != 0:
        return None
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
        return None
    if rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=5000) != 0:
        return None
    return molecule


def as_atoms(molecule: Any) -> Any:
    """The same as open `ase.Atoms`."""
    from ase import Atoms

    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    return Atoms(numbers=numbers, positions=molecule.GetConformer().GetPositions())


def electronic(molecule: Any, method: str) -> Electronic | None:
    """Tight binding at the positions of the molecule; None where it does not converge.

    Args:
        method: GFN1-xTB or GFN2-xTB.

    Raises:
        MissingExtraError: without tblite.
    """
    try:
        from tblite.exceptions import TBLiteRuntimeError
        from tblite.interface import Calculator
    except ModuleNotFoundError as err:
        raise MissingExtraError("molecules", "tblite") from err
    from ase.units import Bohr, Debye, Hartree

    atoms = as_atoms(molecule)
    calculator = Calculator(method, atoms.numbers, atoms.positions / Bohr)
    calculator.set("verbosity", 0)
    try:
        result = calculator.singlepoint()
    except TBLiteRuntimeError:
        return None
    orbitals = result.get("orbital-energies") * Hartree
    highest = int(np.flatnonzero(result.get("orbital-occupations") > 0.5)[-1])
    dipole = float(np.linalg.norm(result.get("dipole"))) * Bohr / Debye
    return Electronic(
        energy=float(result.get("energy")) * Hartree,
        homo=float(orbitals[highest]),
        lumo=float(orbitals[highest + 1]),
        dipole=dipole,
    )


def vibrations(molecule: Any) -> Floats:
    """Energies of the harmonic vibrations of MMFF94, eV; the masses are those of ASE.

    The second derivatives are differences of the force field's own first ones.
    """
    from ase.units import _amu, _hbar, kcal, mol
    from rdkit.Chem import rdForceFieldHelpers

    moved = chemistry().Mol(molecule)
    shape = moved.GetConformer()
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(moved)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(moved, properties)
    atoms = as_atoms(molecule)

    def gradient(atom: int, place: Floats) -> Floats:
        """(3 N,) kcal/mol/Å with one atom elsewhere."""
        shape.SetAtomPosition(atom, place.tolist())
        field.Initialize()  # it keeps distances; given positions, it would mix old and new
        slopes = np.array(field.CalcGrad())
        shape.SetAtomPosition(atom, atoms.positions[atom].tolist())
        return slopes

    slopes = [
        gradient(atom, place + move) - gradient(atom, place - move)
        for atom, place in enumerate(atoms.positions)
        for move in STEP * np.eye(3)
    ]
    hessian = np.array(slopes) / (2 * STEP) * (kcal / mol)  # eV/Å²
    root = np.sqrt(np.repeat(atoms.get_masses(), 3))
    squares = np.linalg.eigvalsh((hessian + hessian.T) / 2 / np.outer(root, root))
    external = 5 if is_linear(atoms) else 6
    # eV/(Å² u) → 1/s² → eV
    joule = 1.602176634e-19
    rates = np.sqrt(np.maximum(squares, 0) * joule * 1e20 / _amu)
    energies: Floats = np.sort(_hbar * rates / joule)[external:]
    return energies


def is_linear(atoms: Any) -> bool:
    """Whether one principal moment of inertia vanishes."""
    moments = atoms.get_moments_of_inertia()
    return bool(moments.min() < 1e-3 * moments.max())


def first(
    wanted: int, molecules: Iterable[str], work: Callable[[str], Any | None], progress: Progress
) -> Iterator[Any]:
    """What `work` gives for the first `wanted` molecules for which it gives something.

    Raises:
        DataError: if there are not so many.
    """
    done = 0
    for smiles in molecules:
        if done == wanted:
            return
        found = work(smiles)
        if found is not None:
            done += 1
            progress("molecules", done, wanted)
            yield found
    if done < wanted:
        raise DataError(f"--count: expected at most {done} molecules, got {wanted}")


def write_csv(file: Path, heading: str, rows: Sequence[str]) -> None:
    """Write a table of SMILES and numbers."""
    file.write_text("\n".join([heading, *rows]) + "\n", encoding="ascii")
