"""The data set `csce_gap`: organic molecules and the gap between their frontier orbitals.

It stands in for the synthetic molecules of HydraGNN's CSCE example (C, F, H, N, O and S; gaps from
density-functional tight binding), which nobody has published under a stable address: molecules of
the NCI, by GFN1-xTB in a minimum of MMFF94, in eV.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hydria.config.data_sets import SIZES
from hydria.data.progress import Progress
from hydria.data.sets.entry import DataSet
from hydria.data.sets.molecules import collection, first, write_csv
from hydria.data.sets.ogb_gap import HEADING, with_gap

ELEMENTS = frozenset("CFNOS")
LEAST, MOST = 4, 20  # atoms besides hydrogen


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` molecules to one file."""
    molecules = collection(ELEMENTS, LEAST, MOST)
    work = partial(with_gap, method="GFN1-xTB")
    write_csv(folder / "csce_gap.csv", HEADING, list(first(count, molecules, work, progress)))


DATA_SET = DataSet(
    "csce_gap",
    "organic molecules and HOMO-LUMO gaps; GFN1-xTB",
    make=make,
    count=SIZES["csce_gap"].count,
)
