"""The stress of the bundled silicon is the slope of its energies along strains."""

from __future__ import annotations

import io
import lzma
from itertools import combinations

import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from hydria.core.assets import asset_dir


def strain_between(first: Atoms, second: Atoms) -> NDArray[np.float64] | None:
    """(3, 3) strain without rotation, or None where it is large or atoms moved within the cell."""
    if len(first) != len(second):
        return None
    moved = first.get_scaled_positions() - second.get_scaled_positions()
    if np.abs(moved - moved.round()).max() > 0.01:
        return None
    deformation = np.linalg.solve(first.cell.array, second.cell.array)
    _, stretches, axes = np.linalg.svd(deformation)
    strain = axes.T @ np.diag(stretches) @ axes - np.eye(3)
    return strain if 1e-3 < np.abs(strain).max() < 0.03 else None


def test_stress_is_the_slope_of_the_energy_of_strained_cells() -> None:
    text = lzma.decompress((asset_dir("bundled") / "dft_si" / "train.extxyz.xz").read_bytes())
    frames = ase.io.read(io.StringIO(text.decode()), ":", format="extxyz")
    work, change = [], []
    elastic = [frame for frame in frames if frame.info["group"] == "Elastic"]
    for first, second in combinations(elastic, 2):
        strain = strain_between(first, second)
        if strain is None:
            continue
        stress = (first.get_stress(voigt=False) + second.get_stress(voigt=False)) / 2
        volume = (first.get_volume() + second.get_volume()) / 2
        work.append(volume * (stress * strain).sum())
        change.append(second.get_potential_energy() - first.get_potential_energy())
    assert len(work) > 50
    slope = np.dot(work, change) / np.dot(work, work)
    assert abs(slope - 1) < 0.01
    assert np.corrcoef(work, change)[0, 1] > 0.999
