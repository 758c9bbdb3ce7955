"""The data set `ogb_gap`: molecules and the gap between their frontier orbitals, in a CSV file.

Fetched: PCQM4Mv2 of the OGB large-scale challenge, 3 378 606 molecules of its training and
validation sets from density-functional theory (Hu et al., arXiv:2103.09430, CC BY 4.0; after
PubChemQC). Made: molecules of the NCI, by GFN2-xTB in a minimum of MMFF94. eV in both.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hydria.config.data_sets import SIZES
from hydria.core.errors import DataError
from hydria.data.download import Remote
from hydria.data.progress import Progress
from hydria.data.sets.entry import DataSet
from hydria.data.sets.molecules import collection, electronic, first, relaxed, write_csv

ELEMENTS = frozenset({"B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br"})
LEAST, MOST = 4, 20  # atoms besides hydrogen
FILE, HEADING = "ogb_gap.csv", "smiles,gap"
MEMBER = "raw/data.csv.gz"


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` molecules to one file."""
    molecules = collection(ELEMENTS, LEAST, MOST)
    work = partial(with_gap, method="GFN2-xTB")
    write_csv(folder / FILE, HEADING, list(first(count, molecules, work, progress)))


def with_gap(smiles: str, method: str) -> str | None:
    """SMILES and gap (eV) of a molecule; None where a calculation fails."""
    molecule = relaxed(smiles)
    state = None if molecule is None else electronic(molecule, method)
    return None if state is None else f"{smiles},{state.lumo - state.homo:.6f}"


def convert(files: tuple[Path, ...], folder: Path, progress: Progress) -> None:
    """Write the molecules of PCQM4Mv2 whose gap is published to one file.

    Raises:
        DataError: if the file is not what was published.
    """
    (file,) = files
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith(MEMBER))
            with archive.open(name) as packed, gzip.open(packed) as stream:
                text = io.TextIOWrapper(stream, encoding="utf-8")
                rows = list(_published(text, progress))
    except (zipfile.BadZipFile, StopIteration, KeyError, OSError) as err:
        raise DataError(
            f"{file}: expected PCQM4Mv2 with smiles and homolumogap in {MEMBER}, got {err!r}"
        ) from err
    write_csv(folder / FILE, HEADING, rows)


def _published(text: io.TextIOBase, progress: Progress) -> Iterator[str]:
    for number, row in enumerate(csv.DictReader(text), 1):
        smiles, gap = row["smiles"], row["homolumogap"]
        if gap:  # the challenge keeps those of its test sets to itself
            yield f"{smiles},{gap}"
        progress("molecules", number, 0)


DATA_SET = DataSet(
    "ogb_gap",
    "molecules and HOMO-LUMO gaps (made: GFN2-xTB; fetched: OGB's PCQM4Mv2, CC BY 4.0)",
    make=make,
    count=SIZES["ogb_gap"].count,
    remote=(
        Remote(
            "https://dgl-data.s3-accelerate.amazonaws.com/dataset/OGB-LSC/pcqm4m-v2.zip",
            "pcqm4m-v2.zip",
        ),
    ),
    convert=convert,
)
