"""Molecules as SMILES in CSV files: a column `smiles`, and one for each graph feature.

Hydrogen atoms are added, and a conformer is embedded with a fixed seed, so that there are positions
for architectures that need some. Node features are found by name: `atomic_number`, `degree`,
`formal_charge`, `num_hydrogens`, `aromatic`, `in_ring`, `hybridization` (1 for sp to 3 for sp³,
else 0). Bonds come along; they are the edges where the config gives no radius.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hydria.config.dataset import Dataset, Features
from hydria.core.errors import DataError, MissingExtraError, listed
from hydria.data.formats.files import name_below, raw_files, read_bytes
from hydria.data.structures import Bonds, Floats, Structures, join, pointers

COLUMN = "smiles"
SEED = 0
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

    Raises:
        DataError: names the file and line of what is malformed, and what is missing there.
        MissingExtraError: without rdkit.
    """
    files = raw_files(path, ".csv")
    return join([_read_file(file, name_below(path, file), dataset) for file in files])


def _read_file(file: Path, name: str, dataset: Dataset) -> Structures:
    text = read_bytes(file).decode("utf-8-sig")
    rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    columns = rows[0].keys() if rows else ()
    missing = [key for key in (COLUMN, *dataset.graph_features.name) if key not in columns]
    if missing:
        raise DataError(
            f"{file}: expected columns {listed(missing)}, got {listed(columns) or 'no rows'}"
        )
    # the first line holds the names
    places = [f"{file}, line {number}" for number in range(2, len(rows) + 2)]
    molecules = [
        embedded(place, row[COLUMN] or "") for place, row in zip(places, rows, strict=True)
    ]
    graph = {
        key: np.array([_number(place, key, row) for place, row in zip(places, rows, strict=True)])
        for key in dataset.graph_features.name
    }
    return Structures(
        names=tuple(f"{name}#{index}" for index in range(len(rows))),
        node_ptr=pointers([molecule.GetNumAtoms() for molecule in molecules]),
        numbers=_atoms(molecules, "atomic_number").ravel().astype(np.int32),
        pos=np.concatenate([molecule.GetConformer().GetPositions() for molecule in molecules]),
        node=_node_features(file, molecules, dataset.node_features),
        graph=graph,
        bonds=_bonds(molecules),
    )


def embedded(place: str, smiles: str) -> Any:
    """The molecule that `smiles` describes, with hydrogen atoms and a conformer.

    Raises:
        DataError: if it is no molecule, or no conformer is found; begins with `place`.
        MissingExtraError: without rdkit.
    """
    try:
        from rdkit import Chem, RDLogger
        from rdkit.Chem import rdDistGeom
    except ModuleNotFoundError as err:
        raise MissingExtraError("smiles", "rdkit") from err
    # what it says goes to stderr; our own message names the line
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    molecule = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    if molecule is None:
        raise DataError(f"{place}: expected a molecule as SMILES, got {smiles!r}")
    molecule = Chem.AddHs(molecule)
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
