"""Which branch of the heads a structure belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hydria.config.dataset import Dataset
from hydria.core.errors import DataError
from hydria.data.structures import Structures

OTHERS = "*"


def branch_numbers(structures: Structures, dataset: Dataset) -> NDArray[np.int64] | None:
    """(G, 1) number of the branch of each structure; None where nothing says so.

    `Dataset.branches` names branches by data set: the folder or the file (with or without its
    ending) that a structure was read from, or the `dataset_name` that pickled samples hold.
    Without it, that number is the branch itself, as in HydraGNN.

    Raises:
        DataError: if a structure belongs to none.
    """
    if not dataset.branches:
        return None if structures.source is None else structures.source[:, None]
    found = np.empty((len(structures), 1), dtype=np.int64)
    for index, name in enumerate(structures.names):
        keys = _data_sets(name)
        if structures.source is not None:
            keys = (str(structures.source[index]), *keys)
        branch = next((dataset.branches[key] for key in keys if key in dataset.branches), None)
        if branch is None:
            raise DataError(
                f"{name}: expected one of the data sets in Dataset.branches "
                f"({', '.join(dataset.branches)}), got {keys[0]!r}. "
                'Hint: "*" stands for every other'
            )
        found[index] = int(branch.removeprefix("branch-"))
    return found


def _data_sets(name: str) -> tuple[str, ...]:
    """What the data set of a structure may be called, most specific first."""
    file = name.partition("#")[0]
    folder, _, base = file.rpartition("/")
    return (*([folder] if folder else []), base, base.split(".")[0], OTHERS)
