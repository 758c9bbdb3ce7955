"""What `hydria train` asks of a workload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hydria.config.run import RunConfig
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.train.loop import Trainer
from hydria.train.task import Task

# told what is being done, how much of it is done, and how much there is (0: not known)
Progress = Callable[[str, int, int], None]


class Workload(Protocol):
    """One kind of training: where its data come from, what its model is, how it is judged.

    Attributes:
        batch_size_means: what `Training.batch_size` counts, in words.
    """

    batch_size_means: str

    def prepare(self, config: RunConfig, data_root: Path, progress: Progress) -> None:
        """Make the data ready; called on rank 0 alone."""

    def task(
        self, config: RunConfig, data_root: Path, world: World, environment: Environment
    ) -> Task:
        """Open the prepared data and build the model; called on every rank."""

    def documents(self, task: Task) -> Mapping[str, Any]:
        """File name → JSON-able content to keep in the run folder."""

    def evaluate(self, task: Task, trainer: Trainer, split: str, path: Path) -> dict[str, Any]:
        """Judge the model on a split; called on every rank.

        Rank 0 writes predictions to `path` and returns errors by head and the loss; the others
        return an empty dictionary.
        """

    def test(self, task: Task, trainer: Trainer, run_dir: Path) -> dict[str, Any]:
        """Judge the model on the test set; called on every rank.

        Rank 0 writes predictions into the run folder and returns the content of `results.json`;
        the others return an empty dictionary.
        """
