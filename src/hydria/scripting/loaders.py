"""The three sets of a config as loaders that a script can iterate over."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from hydria.config import RunConfig, load_config
from hydria.config.summary import DataSummary
from hydria.core.places import data_root
from hydria.data.loaders import BatchLoader
from hydria.data.prepare import PreparedData, open_prepared, prepare
from hydria.data.samplers import GlobalBatches
from hydria.graph.batch import GraphBatch
from hydria.runtime import collectives
from hydria.scripting.configs import Tree, write_facts
from hydria.scripting.ranks import join

if TYPE_CHECKING:
    from torch_geometric.data import Data

log = logging.getLogger(__name__)


class Samples(Sequence["Data"]):
    """The graphs of one set, each a `torch_geometric` sample made when it is asked for."""

    def __init__(self, prepared: PreparedData, split: str) -> None:
        self.store, self.ids = prepared.store, prepared.splits[split]

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Data: ...
    @overload
    def __getitem__(self, index: slice) -> list[Data]: ...
    def __getitem__(self, index: int | slice) -> Data | list[Data]:
        if isinstance(index, slice):
            return [self.store[int(one)] for one in self.ids[index]]
        return self.store[int(self.ids[index])]


class GraphLoader:
    """Batches of one set, this rank's part of each; models take them as they are.

    Iterating gives one epoch. The order of the training set changes from epoch to epoch and
    depends on `Training.seed` alone; `set_epoch` chooses which one comes next.

    Attributes:
        config: the config the data was prepared for.
        prepared: all graphs, all sets.
        split: train, validate or test.
        dataset: the graphs of this set, one by one.
    """

    def __init__(self, config: RunConfig, prepared: PreparedData, split: str) -> None:
        training = config.neural_network.training
        self.config, self.prepared, self.split = config, prepared, split
        self.dataset = Samples(prepared, split)
        self.batch_size = training.batch_size
        size = training.global_batch_size or training.batch_size * collectives.world_size()
        self._batches = GlobalBatches(
            prepared.splits[split], size, seed=training.seed, shuffle=split == "train"
        )
        self._epoch = 0

    @property
    def summary(self) -> DataSummary:
        """What a model must know of the data."""
        return self.prepared.summary

    def set_epoch(self, epoch: int) -> None:
        """Give the order of this epoch next."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._batches)

    def __iter__(self) -> Iterator[GraphBatch]:
        global_batches = self._batches.epoch(self._epoch)
        self._epoch += 1
        load = BatchLoader(self.prepared.store, collectives.rank(), collectives.world_size())
        return (part.batch for part in load(global_batches))


Loaders = tuple[GraphLoader, GraphLoader, GraphLoader]


def dataset_loading_and_splitting(config: Tree, *, data: str | Path | None = None) -> Loaders:
    """Prepare the data of a config, or open what is prepared, and load its three sets.

    Args:
        config: a whole config. What is measured on the data is written into it, as HydraGNN does,
            so that `create_model_config(config["NeuralNetwork"])` can follow.
        data: where raw data and stores lie; else $HYDRIA_DATA, else `./data`.

    Returns:
        Loaders of the training, the validation and the test set.

    Raises:
        ConfigError, DataError, GraphError: if config and data do not fit, or are missing.
    """
    loaded = load_config(config)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    root = data_root(data)
    join()
    collectives.first_rank_does(lambda: bool(prepare(loaded.config, root)))
    prepared = open_prepared(loaded.config, root)
    write_facts(config, prepared.summary)
    train, validation, test = (
        GraphLoader(loaded.config, prepared, split) for split in ("train", "validate", "test")
    )
    return train, validation, test
