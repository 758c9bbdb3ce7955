"""What the data sets that Hydria makes hold, as far as a config must know; `hydria.data.sets`
makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """One data set that is made here."""

    path: str
    """What a config of it names as its raw data: all of it, or its training set."""
    count: int
    """Structures at `path`, unless somebody asked for more or fewer."""


SIZES = {
    "lsms": Size("lsms/raw", 1000),
    "dft_si": Size("dft_si/train.extxyz.xz", 191),
    "fept": Size("fept/raw", 1000),
    "cu_au": Size("cu_au/cu_au.extxyz", 512),
    "ising_model": Size("ising_model/raw", 1000),
    "lennard_jones": Size("lennard_jones/lennard_jones.extxyz", 1000),
    "eam_ninb": Size("eam_ninb/raw", 500),
    "qm9": Size("qm9/qm9.extxyz", 1000),
    "md17": Size("md17/md17.extxyz", 1000),
    "zinc": Size("zinc/zinc.csv", 2000),
    "ogb_gap": Size("ogb_gap/ogb_gap.csv", 1000),
    "csce_gap": Size("csce_gap/csce_gap.csv", 1000),
    "multibranch": Size("multibranch", 1000),
}
