"""Cutting a data set into training, validation and test sets: a function of the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError
from hydria.data.structures import Structures

Ids = NDArray[np.int64]
SETS = ("train", "validate", "test")
PERC_TRAIN = "NeuralNetwork.Training.perc_train"


def by_fraction(count: int, perc_train: float, seed: int) -> dict[str, Ids]:
    """Split `count` samples at random; what is not trained on is halved.

    Returns:
        Sorted ids of each set.

    Raises:
        DataError: if a set would be empty.
    """
    everything = np.arange(count)
    return _checked(_cut([everything], perc_train, seed), PERC_TRAIN)


def by_composition(keys: ArrayLike, perc_train: float, seed: int) -> dict[str, Ids]:
    """Split so that each composition with three members or more is represented in all sets.

    Args:
        keys: (G,) the composition of each sample, as `compositions` numbers them.

    Returns:
        Sorted ids of each set.

    Raises:
        DataError: if a set would be empty.
    """
    groups = _groups(np.asarray(keys))
    small = [group for group in groups if len(group) < len(SETS)]
    large = [group for group in groups if len(group) >= len(SETS)]
    pooled = [np.concatenate(small)] if small else []
    return _checked(_cut([*large, *pooled], perc_train, seed), PERC_TRAIN)


def given(counts: Mapping[str, int], ids: Ids) -> dict[str, Ids]:
    """Sets that come as files of their own.

    Args:
        counts: samples of each set, numbered one set after the other.
        ids: those of them to use.

    Raises:
        DataError: if a set is empty.
    """
    ends = np.cumsum([counts[name] for name in SETS])
    splits = {
        name: ids[(ids >= end - counts[name]) & (ids < end)]
        for name, end in zip(SETS, ends, strict=True)
    }
    return _checked(splits, "Dataset.path and subsample_percentage")


def sample_by_composition(keys: ArrayLike, fraction: float, seed: int) -> Ids:
    """Sorted ids of a part of the data that keeps its mixture of compositions."""
    rng = _generator(seed)
    chosen = []
    owed = 0.0
    for group in _groups(np.asarray(keys)):
        owed += fraction * len(group)
        take = min(len(group), max(0, round(owed)))
        owed -= take
        chosen.append(rng.permutation(group)[:take])
    return np.sort(np.concatenate(chosen))


def compositions(structures: Structures) -> NDArray[np.int64]:
    """(G,) a number for each composition: structures with equal counts of atom types share it."""
    species, kind = np.unique(structures.numbers, return_inverse=True)
    owner = np.repeat(np.arange(len(structures)), structures.num_atoms)
    counts = np.zeros((len(structures), len(species)), dtype=np.int64)
    np.add.at(counts, (owner, kind), 1)
    return np.unique(counts, axis=0, return_inverse=True)[1].ravel()


def _groups(keys: NDArray[np.int64]) -> list[Ids]:
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)


def _cut(groups: Sequence[Ids], perc_train: float, seed: int) -> dict[str, Ids]:
    """Cut every group; what rounding takes from one group is given back by the next."""
    rng = _generator(seed)
    shares = np.array([perc_train, (1 - perc_train) / 2, (1 - perc_train) / 2])
    owed = np.zeros(len(SETS))
    parts: dict[str, list[Ids]] = {name: [] for name in SETS}
    for group in groups:
        owed += shares * len(group)
        sizes = _whole(owed, len(group))
        owed -= sizes
        cuts = np.cumsum(sizes)[:-1]
        for name, part in zip(SETS, np.split(rng.permutation(group), cuts), strict=True):
            parts[name].append(part)
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def _whole(owed: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Whole sizes near `owed` that add up to `count`, none of them 0 where `count` allows it."""
    least = 1 if count >= len(SETS) else 0
    sizes = np.maximum(np.floor(owed + 1e-9).astype(np.int64), least)
    while sizes.sum() != count:
        missing = 1 if sizes.sum() < count else -1
        # the set that is furthest from its share, of those that may change
        gap = np.where((missing > 0) | (sizes > least), missing * (owed - sizes), -np.inf)
        sizes[int(np.argmax(gap))] += missing
    return sizes


def _generator(seed: int) -> np.random.RandomState:
    # RandomState's streams are frozen for all versions of NumPy; those of Generator are not
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))


def _checked(splits: dict[str, Ids], setting: str) -> dict[str, Ids]:
    empty = [name for name in SETS if not len(splits[name])]
    if empty:
        count = sum(map(len, splits.values()))
        raise DataError(
            f"{setting}: expected training, validation and test sets that are not empty, got "
            f"nothing for {' and '.join(empty)} of {count} structures. Hint: more data, another "
            "Training.perc_train, or Dataset.path with train, validate and test"
        )
    return splits
