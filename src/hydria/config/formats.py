"""What a raw format brings, as far as a config must know; the readers are in `hydria.data`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One raw format."""

    lattice: bool = True
    """Whether the files hold the lattice, so that structures can be periodic as they are."""
    graphs: bool = False
    """Whether the files may hold finished graphs, so that no cutoff is needed."""


FORMATS = {
    "LSMS": Format(lattice=False),
    "unit_test": Format(lattice=False),
    "CFG": Format(),
    "XYZ": Format(),
    "extxyz": Format(),
    "CIF": Format(),
    "POSCAR": Format(),
    "ase": Format(),
    "pickle": Format(graphs=True),
    "SMILES": Format(lattice=False, graphs=True),
    "store": Format(),
}
