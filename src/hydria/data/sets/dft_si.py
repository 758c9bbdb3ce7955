"""The data set `dft_si`: silicon from density-functional theory, which comes with Hydria."""

from __future__ import annotations

import shutil
from pathlib import Path

from hydria.core.assets import asset_dir
from hydria.data.progress import Progress
from hydria.data.sets.entry import DataSet


def make(folder: Path, _count: int, _progress: Progress) -> None:
    """Copy the extended XYZ files and their licence."""
    shutil.copytree(asset_dir("bundled") / "dft_si", folder, dirs_exist_ok=True)


DATA_SET = DataSet(
    "dft_si",
    "239 silicon structures from DFT, energies and forces (Zuo et al. 2020, BSD-3)",
    make=make,
)
