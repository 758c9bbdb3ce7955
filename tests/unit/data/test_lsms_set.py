"""The Cu-Au crystals: the same files everywhere, and physics that can be believed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hydria.data.formats import read
from hydria.data.lattice import read_csv
from hydria.data.progress import silent
from hydria.data.sets import lsms
from hydria.data.sets.crystals import ELECTRONEGATIVITY, SITES, Crystal, draw
from tests.support.raw_data import lsms_dataset

# of the first three structures and their lattices, written down when they were first made
FIRST_THREE = "e8040435eb5c0fb065f58dc78a0748c99ce88d0fbe83db59074c66cdecec8802"


def _ordered_crystal(shift: float = 0.0) -> Crystal:
    numbers = np.tile([79.0, 29.0, 29.0, 29.0], 8)  # L1_2: gold at the corners of each cube
    pos = SITES * 3.75
    return Crystal(numbers, (pos + shift) % 7.5, 7.5)


def test_files_are_the_same_bit_for_bit(tmp_path: Path) -> None:
    told: list[int] = []
    lsms.make(tmp_path / "set", 3, lambda _label, done, _total: told.append(done))
    files = sorted(path for path in (tmp_path / "set").rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert digest == FIRST_THREE
    assert told == [1, 2, 3]


def test_files_read_back_as_what_was_computed(tmp_path: Path) -> None:
    lsms.make(tmp_path / "set", 2, silent)
    found = read(tmp_path / "set" / "raw", lsms_dataset())
    rng = np.random.RandomState(lsms.SEED)
    for index, entry in enumerate(read_csv(tmp_path / "set" / "lattice.csv").values()):
        crystal = draw(lsms.ALLOY, rng)
        atoms = slice(32 * index, 32 * (index + 1))
        assert np.array_equal(found.pos[atoms], crystal.pos)
        assert np.array_equal(found.numbers[atoms], crystal.numbers)
        assert entry.cell == (crystal.edge, 0, 0, 0, crystal.edge, 0, 0, 0, crystal.edge)
        energy = found.graph["free_energy_scaled_num_nodes"][index, 0]
        assert energy == pytest.approx(lsms.energy(crystal), abs=1e-8)


def test_cells_stay_neutral_and_gold_draws_electrons() -> None:
    crystal = _ordered_crystal()
    electrons, _ = lsms.local_columns(crystal)
    surplus = electrons - crystal.numbers
    assert surplus.sum() == pytest.approx(0, abs=1e-12)
    assert (surplus[crystal.numbers == 79] > 0.1).all()
    assert (surplus[crystal.numbers == 29] < 0).all()


def test_columns_know_no_cell_boundary() -> None:
    at_rest, moved = (lsms.local_columns(_ordered_crystal(shift)) for shift in (0.0, 1.3))
    np.testing.assert_allclose(moved, at_rest, atol=1e-12)


def test_columns_follow_the_stated_sum() -> None:
    """Brute force over images for one atom of a random crystal."""
    crystal = draw(lsms.ALLOY, np.random.RandomState(5))
    electrons, moment = lsms.local_columns(crystal)
    chi = np.array([ELECTRONEGATIVITY[int(z)] for z in crystal.numbers])
    transfer = screening = 0.0
    for j, pos in enumerate(crystal.pos):
        for image in np.ndindex(3, 3, 3):
            shift = (np.array(image) - 1) * crystal.edge
            r = np.linalg.norm(pos + shift - crystal.pos[0])
            if 0 < r < 5.0:
                w = np.exp(-((r / 2.5) ** 2)) * (1 + np.cos(np.pi * r / 5.0)) / 2
                transfer += 0.15 * (chi[0] - chi[j]) * w
                screening += (2.0 if crystal.numbers[j] == 79 else 1.0) * w
    assert electrons[0] - crystal.numbers[0] == pytest.approx(transfer, abs=1e-12)
    assert moment[0] == pytest.approx(1 / (1 + screening), abs=1e-12)
