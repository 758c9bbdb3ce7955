"""The model of a run, judged again: what `hydria predict` and the library share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydria.config import load_config
from hydria.config.run import RunConfig
from hydria.core import log as logs
from hydria.core.errors import CheckpointError, HydriaError
from hydria.data.progress import silent
from hydria.runtime import collectives, process_group
from hydria.runtime.determinism import set_deterministic
from hydria.runtime.environment import read_environment
from hydria.runtime.launch import detect_ranks
from hydria.runtime.stop import StopRequest
from hydria.train import checkpoint as checkpoints
from hydria.train.checkpoint import Checkpoint
from hydria.train.loop import Trainer
from hydria.train.task import SPLITS, Task
from hydria.workloads.registry import workload_of

log = logging.getLogger(__name__)

BEST = "best"
FINDERS = {BEST: checkpoints.best, "last": checkpoints.newest}


@dataclass(frozen=True)
class Prediction:
    """What came of it.

    Attributes:
        results: errors by head and the loss, as in `results.json`; empty but on rank 0.
        path: the file of predictions.
        checkpoint: whose weights were used.
    """

    results: Mapping[str, Any]
    path: Path
    checkpoint: Path


def predict(
    run_dir: Path,
    data_root: Path,
    env: Mapping[str, str],
    *,
    checkpoint: str = BEST,
    split: str = "test",
    out: Path | None = None,
) -> Prediction:
    """Judge the model of a run on one of its sets, as one rank of as many as were started.

    Args:
        run_dir: the run folder; only its `predictions` are written to.
        data_root: where raw data and stores lie; a missing store is made again.
        env: the environment, such as `os.environ`.
        checkpoint: best, last, the name of a checkpoint of the run, or its folder.
        split: train, validate or test.
        out: the file of predictions; `predictions/<split>.parquet` in the run folder, with the
            name of the checkpoint when that is not the best one.

    Raises:
        HydriaError: if there is no such checkpoint or split, or the data is not that of the run.
    """
    if split not in SPLITS:
        raise HydriaError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    config = config_of(run_dir)
    environment, ranks = read_environment(env), detect_ranks(env)
    world = process_group.start(ranks, env, environment, run_dir)
    logs.configure(config.verbosity.level, ranks.rank)
    try:
        found = collectives.first_rank_does(lambda: find_checkpoint(run_dir, checkpoint))
        settings = config.neural_network.training
        set_deterministic(settings.deterministic, world.device)
        workload = workload_of(config)
        collectives.first_rank_does(lambda: workload.prepare(config, data_root, silent))
        task = workload.task(config, data_root, world, environment)
        trainer = Trainer(task, settings, world, run_dir, StopRequest(run_dir), environment)
        load_weights(task, trainer, found)
        path = out or run_dir / "predictions" / _file_name(split, checkpoint, found)
        return Prediction(workload.evaluate(task, trainer, split, path), path, found.path)
    finally:
        process_group.stop()


def config_of(run_dir: Path) -> RunConfig:
    """The resolved config of a run."""
    path = run_dir / "config.json"
    if not path.is_file():
        raise HydriaError(f"{run_dir}: expected the folder of a run, got no config.json there")
    return load_config(path).config


def find_checkpoint(run_dir: Path, which: str) -> Checkpoint:
    """A whole checkpoint of a run.

    Args:
        run_dir: the run folder.
        which: best, last, a name such as step-00000420, or a path.

    Raises:
        CheckpointError: if there is none, or the one named is damaged.
    """
    if which in FINDERS:
        found = FINDERS[which](run_dir)
        if found is None:
            raise CheckpointError(f"{run_dir}: expected a checkpoint, got none that is whole")
        return found
    path = Path(which) if Path(which).is_dir() else run_dir / checkpoints.FOLDER / which
    path = path.resolve()
    candidates = list(checkpoints.newest_first(path.parents[1]))
    found = next((one for one in candidates if one.path.name == path.name), None)
    if found is None:
        known = ", ".join([*FINDERS, *(one.path.name for one in candidates)])
        raise CheckpointError(f"checkpoint: expected a path or one of {known}, got {which!r}")
    checkpoints.verify(found)
    return found


def load_weights(task: Task, trainer: Trainer, found: Checkpoint) -> None:
    """Put the weights of a checkpoint into the model of a task.

    Raises:
        CheckpointError: when they belong to another model.
    """
    state = checkpoints.load(found)
    if state["facts"] != dict(task.facts):
        raise CheckpointError(
            f"{found.path}: expected weights of the model that this config and data describe, got "
            "others. Hint: has the data changed since? --data names its folder"
        )
    trainer.stepper.evaluated.load_state_dict(state["model"])


def _file_name(split: str, which: str, found: Checkpoint) -> str:
    return f"{split}.parquet" if which == BEST else f"{split}-{found.path.name}.parquet"
