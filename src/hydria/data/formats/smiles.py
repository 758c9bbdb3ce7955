"""Molecules as SMILES in CSV files: a column `smiles`, and one for each graph feature.

Hydrogen atoms are added, and a conformer is embedded with a fixed seed, so that there are positions
for architectures that need some; for the others (`read_bonds`), that work is spared. Node features
are found by name: `atomic_number`, `degree`, `formal_charge`, `num_hydrogens`, `aromatic`,
`in_ring`, `hybridization` (1 for sp to 3 for sp³, else 0). Bonds come along; they are the edges
where the config gives no radius.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.dataset import Dataset, Features
from hydria.core.errors import DataError, MissingExtraError, listed
from hydria.data.formats.files import name_below, raw_files, read_text
from hydria.data.structures import Bonds, Floats, Structures, join, pointers

COLUMN = "smiles"
SUFFIXES = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz")
SEED = 0
MOST_SHOWN = 10  # malformed rows in one message
HYBRIDIZATIONS = {"SP": 1, "SP2": 2, "SP3": 3}

# name → value of one atom
ATOM_FEATURES: dict[str, Callable[[Any], float]] = {
    "atomic_number": lambda atom: atom.GetAtomicNum(),
    "degree": lambda atom: atom.GetDegree(),
    "formal_charge": lambda atom: atom.GetFormalCharge(),
    "num_hydrogens": lambda atom: atom.GetTotalNumHs(includeNeighbors=True),
    "aromatic": lambda atom: atom.GetIsAromatic(),
    "in_ring": lambda atom: atom.IsInRing(),
    "hybridization": lambda atom: HYBRIDIZATIONS.get(str(atom.GetHybridization()), 0),
}


def read(path: Path, dataset: Dataset) -> Structures:
    """Read every row of every `.csv` file under `path`; see the module for the features.

    Files may be packed (`.csv.gz`, `.csv.bz2`, `.csv.xz`).

    Raises:
        DataError: names the file and the lines of what is malformed, and what is missing there.
        MissingExtraError: without rdkit.
    """
    return _read(path, dataset, embedded)


def read_bonds(path: Path, dataset: Dataset) -> Structures:
    """The same without conformers: every position is zero.

    Raises:
        DataError, MissingExtraError: as `read`.
    """
    return _read(path, dataset, parsed)


def _read(path: Path, dataset: Dataset, molecule_of: Callable[[str, str], Any]) -> Structures:
    files = raw_files(path, SUFFIXES)
    return join([_read_file(file, name_below(path, file), dataset, molecule_of) for file in files])


def _read_file(
    file: Path, name: str, dataset: Dataset, molecule_of: Callable[[str, str], Any]
) -> Structures:
    reader = csv.DictReader(read_text(file).splitlines(), skipinitialspace=True)
    spelt = {column.strip().lower(): column for column in reader.fieldnames or ()}
    rows = [(f"{file}, line {reader.line_num}", row) for row in reader]
    column = spelt.get(COLUMN)
    missing = [] if column else [COLUMN]
    missing += [key for key in dataset.graph_features.name if key not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{file}: expected columns {listed(missing)}, got {listed(reader.fieldnames or ())}. "
            "Hint: the first line names the columns"
        )
    if not rows:
        raise DataError(f"{file}: expected a molecule on each line after the first, got none")
    molecules = _molecules(file, [(place, row[column] or "") for place, row in rows], molecule_of)
    graph = {
        key: np.array([_number(place, key, row) for place, row in rows])
        for key in dataset.graph_features.name
    }
    return Structures(
        names=tuple(f"{name}#{index}" for index in range(len(rows))),
        node_ptr=pointers([molecule.GetNumAtoms() for molecule in molecules]),
        numbers=_atoms(molecules, "atomic_number").ravel().astype(np.int32),
        pos=np.concatenate([_positions(molecule) for molecule in molecules]),
        node=_node_features(file, molecules, dataset.node_features),
        graph=graph,
        bonds=_bonds(molecules),
    )


def _molecules(
    file: Path, found: Sequence[tuple[str, str]], molecule_of: Callable[[str, str], Any]
) -> list[Any]:
    """The molecule of each row; one error for all rows that are none."""
    molecules, errors = [], []
    for place, smiles in found:
        try:
            molecules.append(molecule_of(place, smiles))
        except DataError as err:
            errors.append(str(err))
    if len(errors) == 1:
        raise DataError(errors[0])
    if errors:
        shown = "\n  ".join(error.removeprefix(f"{file}, ") for error in errors[:MOST_SHOWN])
        more = f"\n  and {len(errors) - MOST_SHOWN} more" if len(errors) > MOST_SHOWN else ""
        raise DataError(
            f"{file}: expected a molecule in each of {len(found)} rows, got none in "
            f"{len(errors)}:\n  {shown}{more}\nHint: take these rows out"
        )
    return molecules


def _positions(molecule: Any) -> Floats:
    """(N, 3) Å; zero without a conformer."""
    if molecule.GetNumConformers():
        positions: Floats = molecule.GetConformer().GetPositions()
        return positions
    return np.zeros((molecule.GetNumAtoms(), 3))


def parsed(place: str, smiles: str) -> Any:
    """The molecule that `smiles` describes, with hydrogen atoms.

    Raises:
        DataError: if it is no molecule; begins with `place`.
        MissingExtraError: without rdkit.
    """
    try:
        from rdkit import Chem, RDLogger
    except ModuleNotFoundError as err:
        raise MissingExtraError("smiles", "rdkit") from err
    # what it says goes to stderr; our own message names the line
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    molecule = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    if molecule is None:
        raise DataError(f"{place}: expected a molecule as SMILES, got {smiles!r}")
    return Chem.AddHs(molecule)


def embedded(place: str, smiles: str) -> Any:
    """The same with a conformer.

    Raises:
        DataError: if it is no molecule, or no conformer is found; begins with `place`.
        MissingExtraError: without rdkit.
    """
    molecule = parsed(place, smiles)
    from rdkit.Chem import rdDistGeom

    for random in (False, True):  # random coordinates find what distances alone do not
        settings: Any = rdDistGeom.ETKDGv3()
        settings.randomSeed, settings.useRandomCoords = SEED, random
        if rdDistGeom.EmbedMolecule(molecule, settings) == 0:
            return molecule
    raise DataError(f"{place}: expected a molecule with a conformer, found none for {smiles!r}")


def _number(place: str, key: str, row: dict[str, str | None]) -> list[float]:
    try:
        return [float(row[key] or "")]
    except ValueError as err:
        raise DataError(f"{place}: expected a number for {key!r}, got {row[key]!r}") from err


def _node_features(file: Path, molecules: Sequence[Any], features: Features) -> dict[str, Floats]:
    unknown = [name for name in features.name if name not in ATOM_FEATURES]
    if unknown:
        raise DataError(
            f"{file}: Dataset.node_features asks for {unknown[0]!r}; SMILES give "
            f"{listed(ATOM_FEATURES)}"
        )
    return {name: _atoms(molecules, name) for name in features.name}


def _atoms(molecules: Sequence[Any], name: str) -> Floats:
    """(N, 1) values of one feature."""
    value = ATOM_FEATURES[name]
    found = [float(value(atom)) for molecule in molecules for atom in molecule.GetAtoms()]
    return np.array(found)[:, None]


def _bonds(molecules: Sequence[Any]) -> Bonds:
    """Every bond in both directions, sorted by target within each molecule."""
    counts, ends, orders = [], [], []
    for molecule in molecules:
        found = [
            (end, start, bond.GetBondTypeAsDouble())
            for bond in molecule.GetBonds()
            for start, end in (
                (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()),
                (bond.GetEndAtomIdx(), bond.GetBeginAtomIdx()),
            )
        ]
        found.sort()
        counts.append(len(found))
        ends += [(start, end) for end, start, _ in found]
        orders += [order for *_, order in found]
    source, target = np.array(ends, dtype=np.int32).reshape(-1, 2).T
    return Bonds(pointers(counts), source, target, np.array(orders, dtype=np.float64))
