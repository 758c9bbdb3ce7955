"""Raw formats: one file each, and one line in this table."""

from __future__ import annotations

from pathlib import Path

from hydria.config.dataset import Dataset
from hydria.core.registry import Registry
from hydria.data.structures import Structures

# format → reader(path, dataset) -> Structures
FORMATS = Registry(
    "format",
    {
        "LSMS": "hydria.data.formats.lsms:read",
        "unit_test": "hydria.data.formats.lsms:read",
        "CFG": "hydria.data.formats.cfg:read",
        "XYZ": "hydria.data.formats.xyz:read",
        "pickle": "hydria.data.formats.pickled:read",
        "ase": "hydria.data.formats.through_ase:read",
        "extxyz": "hydria.data.formats.through_ase:read",
        "CIF": "hydria.data.formats.through_ase:read",
        "POSCAR": "hydria.data.formats.through_ase:read",
        "SMILES": "hydria.data.formats.smiles:read",
        "store": "hydria.data.formats.stored:read",
    },
)
# formats whose positions are computed: the reader for those who need none
WITHOUT_POSITIONS = Registry("format", {"SMILES": "hydria.data.formats.smiles:read_bonds"})


def read(path: Path, dataset: Dataset, positions: bool = True) -> Structures:
    """Read the raw data under `path` in the format of `dataset`.

    A path that ends in .pkl is a pickle whatever the format says, as in HydraGNN.

    Args:
        positions: whether they matter; if not, they may be zero.

    Raises:
        DataError: if the data is missing or malformed.
        HydriaError: if the format is unknown.
    """
    name = "pickle" if path.suffix == ".pkl" else dataset.format
    table = FORMATS if positions or name not in WITHOUT_POSITIONS else WITHOUT_POSITIONS
    structures: Structures = table.load(name)(path, dataset)
    return structures
