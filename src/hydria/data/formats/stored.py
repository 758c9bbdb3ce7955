"""Graphs of a store of any kind, whose samples hold `x`, `y` and `pos` as HydraGNN's do."""

from __future__ import annotations

from pathlib import Path

from hydria.config.dataset import Dataset
from hydria.data.formats.pickled import structures_of
from hydria.data.stores import open_store
from hydria.data.stores.pickles import BOUNDS
from hydria.data.structures import Structures


def read(path: Path, dataset: Dataset) -> Structures:
    """Read the samples of a store, `PATH` or `PATH#LABEL`.

    Raises:
        DataError: if there is no such store, it is damaged, or its samples do not have the features
            that the config names.
    """
    store = open_store(path)
    bounds = [store.attrs.get(name) for name in BOUNDS]
    samples = [store[number] for number in range(len(store))]
    return structures_of(path, path.name, samples, bounds, dataset)
