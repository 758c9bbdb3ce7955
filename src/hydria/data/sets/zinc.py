"""The data set `zinc`: drug-like molecules and their penalised logP, as SMILES in a CSV file.

The target of the ZINC benchmark is logP - SA - cycles, each normalised over ZINC-250k: Crippen's
logP, the synthetic accessibility of Ertl and Schuffenhauer (J. Cheminf. 1 (2009) 8), and by how
much the largest ring exceeds six atoms (Jin, Barzilay and Jaakkola, arXiv:1802.04364). The graph
alone defines it, so what is made here is exact, for molecules of the NCI instead of ZINC.

Fetched: the 249 455 molecules of ZINC-250k (Gómez-Bombarelli et al., ACS Cent. Sci. 4 (2018) 268),
with the logP and SA that come with them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydria.config.data_sets import SIZES
from hydria.core.errors import DataError
from hydria.data.download import Remote
from hydria.data.progress import Progress
from hydria.data.sets.entry import DataSet
from hydria.data.sets.molecules import chemistry, collection, first, write_csv

ELEMENTS = frozenset({"C", "N", "O", "F", "P", "S", "Cl", "Br", "I"})
LEAST, MOST = 9, 38  # atoms besides hydrogen, as in ZINC-250k
# mean and standard deviation over ZINC-250k of logP, -SA, -cycles
LOGP = (2.4570953396190123, 1.434324401111988)
SA = (-3.0525811293166134, 0.8335207024513095)
CYCLE = (-0.0485696876403053, 0.2860212110245455)
FILE, HEADING = "zinc.csv", "smiles,penalized_logp"


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` molecules to one file."""
    molecules = collection(ELEMENTS, LEAST, MOST)
    write_csv(folder / FILE, HEADING, list(first(count, molecules, _row, progress)))


def _row(smiles: str) -> str:
    from rdkit.Chem import Crippen
    from rdkit.Contrib.SA_Score import sascorer

    molecule = chemistry().MolFromSmiles(smiles)
    logp = Crippen.MolLogP(molecule)  # type: ignore[attr-defined]
    return f"{smiles},{penalized(molecule, logp, sascorer.calculateScore(molecule)):.8f}"


def penalized(molecule: Any, logp: float, sa: float) -> float:
    """The target of the benchmark, from logP and synthetic accessibility."""
    rings = molecule.GetRingInfo().AtomRings()
    excess = max((len(ring) - 6 for ring in rings), default=0)
    terms = ((logp, LOGP), (-sa, SA), (-max(excess, 0), CYCLE))
    return sum((value - mean) / deviation for value, (mean, deviation) in terms)


def convert(files: tuple[Path, ...], folder: Path, progress: Progress) -> None:
    """Write the molecules of ZINC-250k to one file.

    Raises:
        DataError: if the file is not what was published; names its line.
    """
    write_csv(folder / FILE, HEADING, list(_published(files[0], progress)))


def _published(file: Path, progress: Progress) -> Iterator[str]:
    chem = chemistry()
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for number, row in enumerate(reader, 1):
            try:
                smiles = row["smiles"].strip()  # each ends in a line break
                molecule = chem.MolFromSmiles(smiles)
                value = penalized(molecule, float(row["logP"]), float(row["SAS"]))
            except (KeyError, ValueError, TypeError, AttributeError) as err:
                raise DataError(
                    f"{file}, row {number}: expected smiles, logP and SAS of ZINC-250k, got {row}"
                ) from err
            progress("molecules", number, 0)
            yield f"{smiles},{value:.8f}"


DATA_SET = DataSet(
    "zinc",
    "drug-like molecules and their penalised logP (made: of the NCI; fetched: ZINC-250k)",
    make=make,
    count=SIZES["zinc"].count,
    remote=(
        # one revision, so that the content behind the address never changes
        Remote(
            "https://raw.githubusercontent.com/aspuru-guzik-group/chemical_vae/"
            "37b9f96470d4471c0593cffefa448e0a8a184ef6/models/zinc_properties/"
            "250k_rndm_zinc_drugs_clean_3.csv",
            "250k_rndm_zinc_drugs_clean_3.csv",
        ),
    ),
    convert=convert,
)
