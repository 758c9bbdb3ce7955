"""Splits: fractions, compositions, given sets; each a function of the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from hydria.core.errors import DataError
from hydria.data import splits
from hydria.data.splits import SETS
from hydria.data.structures import Structures, pointers


def _sizes(cut: dict[str, np.ndarray]) -> list[int]:
    return [len(cut[name]) for name in SETS]


def _is_partition(cut: dict[str, np.ndarray], count: int) -> bool:
    return sorted(np.concatenate([cut[name] for name in SETS]).tolist()) == list(range(count))


@pytest.mark.parametrize(
    ("count", "perc_train", "sizes"),
    [(1000, 0.7, [700, 150, 150]), (10, 0.8, [8, 1, 1]), (3, 0.9, [1, 1, 1]), (11, 0.5, [5, 3, 3])],
)
def test_fractions_leave_halves_to_validation_and_test(
    count: int, perc_train: float, sizes: list[int]
) -> None:
    cut = splits.by_fraction(count, perc_train, seed=0)
    assert _is_partition(cut, count)
    assert np.abs(np.subtract(_sizes(cut), sizes)).max() <= 1
    assert sum(_sizes(cut)) == count


def test_the_seed_decides() -> None:
    first, again, other = (splits.by_fraction(100, 0.7, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in SETS)
    assert not np.array_equal(first["train"], other["train"])


def test_a_seed_gives_the_same_split_for_ever() -> None:
    cut = splits.by_fraction(12, 0.5, seed=7)
    assert {name: ids.tolist() for name, ids in cut.items()} == SEVEN


# written down when the splits were first made: stores and papers rely on them
SEVEN = {"train": [4, 5, 7, 9, 10, 11], "validate": [0, 1, 6], "test": [2, 3, 8]}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_set_that_stays_empty_is_refused(count: int) -> None:
    with pytest.raises(DataError, match=r"perc_train: expected .*not empty"):
        splits.by_fraction(count, 0.7, seed=0)


@settings(max_examples=60, deadline=None)
@drawn(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    perc_train=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**40),
)
def test_every_composition_is_in_every_set(sizes: list[int], perc_train: float, seed: int) -> None:
    keys = np.repeat(np.arange(len(sizes)), sizes)
    np.random.RandomState(0).shuffle(keys)
    if len(keys) < len(SETS):
        return
    cut = splits.by_composition(keys, perc_train, seed)
    assert _is_partition(cut, len(keys))
    for key, size in enumerate(sizes):
        if size >= len(SETS):
            assert all(key in keys[cut[name]] for name in SETS)


def test_compositions_keep_the_fractions_of_the_whole() -> None:
    keys = np.repeat(np.arange(33), 30)
    assert _sizes(splits.by_composition(keys, 0.7, seed=0)) == pytest.approx(
        [693, 148.5, 148.5], abs=1
    )


def test_compositions_are_counts_of_atom_types() -> None:
    numbers = [[29, 79, 79], [79, 29, 79], [29, 29, 79], [29, 79], [29, 29, 79]]
    structures = Structures(
        names=tuple("abcde"),
        node_ptr=pointers([len(row) for row in numbers]),
        numbers=np.concatenate(numbers).astype(np.int32),
        pos=np.zeros((14, 3)),
    )
    keys = splits.compositions(structures).tolist()
    assert keys[0] == keys[1]
    assert keys[2] == keys[4]
    assert len(set(keys)) == 3


def test_given_sets_keep_their_order() -> None:
    counts = {"train": 3, "validate": 2, "test": 1}
    cut = splits.given(counts, np.array([0, 2, 3, 4, 5]))
    assert {name: ids.tolist() for name, ids in cut.items()} == {
        "train": [0, 2], "validate": [3, 4], "test": [5],
    }  # fmt: skip


def test_a_given_set_that_is_empty_is_refused() -> None:
    with pytest.raises(DataError, match="nothing for test of 5"):
        splits.given({"train": 3, "validate": 2, "test": 1}, np.arange(5))


def test_a_sample_keeps_the_mixture_of_compositions() -> None:
    keys = np.repeat([0, 1, 2], [100, 50, 10])
    chosen = splits.sample_by_composition(keys, 0.2, seed=0)
    assert np.bincount(keys[chosen]).tolist() == [20, 10, 2]
