"""A trainer of the toy task, ready to go."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from hydria.config.training import Training
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from hydria.runtime.stop import StopRequest
from hydria.train.loop import Trainer
from hydria.train.losses import build_loss
from hydria.train.records import read_records
from tests.support.toy_task import ToyTask


class StopAfter(StopRequest):
    """Asks for a stop once it has been asked `steps` times."""

    def __init__(self, run_dir: Path, steps: float = math.inf) -> None:
        super().__init__(run_dir)
        self.steps = steps

    def requested(self) -> bool:
        self.steps -= 1
        if self.steps < 0:
            self.reason = "SIGTERM"
        return bool(self.reason)


def make_trainer(
    run_dir: Path,
    *,
    stop_after: float = math.inf,
    environment: Environment | None = None,
    world: World | None = None,
    observers: Any = (),
    task: dict[str, Any] | None = None,
    **settings: Any,
) -> Trainer:
    """A trainer in `run_dir`.

    Args:
        stop_after: steps after which a stop is asked for.
        task: arguments of the task.
        settings: of the `Training` section.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    training = Training(**{"num_epoch": 3, **settings})
    dtype = torch.float64 if training.precision == "fp64" else torch.float32
    return Trainer(
        ToyTask(build_loss(training), **{"dtype": dtype, **(task or {})}),
        training,
        world or World(Ranks(), torch.device("cpu")),
        run_dir,
        StopAfter(run_dir, stop_after),
        environment or Environment(),
        observers,
    )


def losses(run_dir: Path) -> list[tuple[float, float, float]]:
    """(train, validation, rate) of every epoch in `metrics.jsonl`."""
    records = read_records(run_dir / "metrics.jsonl")
    return [(record["train_loss"], record["val_loss"], record["lr"]) for record in records]
