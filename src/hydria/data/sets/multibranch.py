"""The data set `multibranch`: energies and forces by five different methods, one file each.

A stand-in for the five data sets of HydraGNN's multi-branch example: the methods do not agree on
the zero of the energy nor on the forces of one and the same structure, hence a branch for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hydria.config.data_sets import SIZES
from hydria.core.assets import asset_dir
from hydria.data.progress import Progress
from hydria.data.sets import cu_au, eam_ninb, fept, lennard_jones
from hydria.data.sets.crystals import with_results, write_frames
from hydria.data.sets.entry import DataSet


def silicon(count: int) -> Iterator[Any]:
    """Structures of `dft_si`, from the beginning again when they are used up."""
    from hydria.data.formats.through_ase import load_frames

    folder = asset_dir("bundled") / "dft_si"
    found = [
        frame
        for name in ("train", "validate", "test")
        for frame in load_frames(folder / f"{name}.extxyz.xz", "extxyz")
    ]
    for index in range(count):
        frame: Any = found[index % len(found)]
        yield with_results(frame, frame.get_potential_energy(), frame.get_forces())


# file → so many structures with energy and forces
PARTS: dict[str, Callable[[int], Iterator[Any]]] = {
    "copper_gold": cu_au.frames,
    "nickel_niobium": eam_ninb.frames,
    "iron_platinum": fept.frames,
    "argon": lennard_jones.frames,
    "silicon": silicon,
}


def make(folder: Path, count: int, progress: Progress) -> None:
    """Write `count` structures in all, evenly over five files."""
    for index, (name, frames) in enumerate(PARTS.items()):
        share = count // len(PARTS) + (index < count % len(PARTS))
        write_frames(folder / f"{name}.extxyz", frames(share), share, progress)


DATA_SET = DataSet(
    "multibranch",
    "Cu-Au (EMT), Ni-Nb and Fe-Pt (EAM), argon (Lennard-Jones), silicon (DFT); five files",
    make=make,
    count=SIZES["multibranch"].count,
)
