"""Trainings that a test runs on several ranks and compares with those of one process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydria.config import load_config
from hydria.data.prepare import prepare
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.train import checkpoint as checkpoints
from hydria.train.loop import Trainer
from hydria.workloads.registry import workload_of
from tests.support.raw_data import Tree
from tests.support.training import StopAfter, losses, make_trainer

# 33 samples in batches of 8: the last global batch has one, so one of two ranks has none
UNEVEN = {"samples": 33, "batch": 8}
EPOCHS = 4  # of five steps
CASES = "cases.json"


OPTIMIZERS = {"plain": {}, "sharded": {"use_zero_redundancy": True}}


def toy(folder: Path, world: World) -> dict[str, Any]:
    """Train the toy task through, and in two parts, with each kind of optimiser."""
    return {
        name: _toy(folder / name, world, {"task": UNEVEN, "optimizer": optimizer})
        for name, optimizer in OPTIMIZERS.items()
    }


def _toy(folder: Path, world: World, settings: dict[str, Any]) -> dict[str, Any]:
    make_trainer(folder / "whole", world=world, num_epoch=EPOCHS, **settings).fit()
    stopped = make_trainer(folder / "parted", world=world, stop_after=7, **settings).fit()
    trainer = make_trainer(folder / "parted", world=world, num_epoch=EPOCHS, **settings)
    found = checkpoints.newest(folder / "parted")
    assert found is not None
    trainer.restore(found)
    trainer.fit()
    unused = trainer.stepper.model.unused
    return {
        "whole": losses(folder / "whole"),
        "parted": losses(folder / "parted"),
        "stopped": stopped.reason,
        "unused": unused.tolist(),
    }


@dataclass(frozen=True)
class Case:
    """A config by name."""

    name: str
    tree: Tree


def write_cases(folder: Path, cases: list[Case]) -> None:
    """Leave the configs for `properties`, with their data prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        prepare(load_config(case.tree).config, folder / "data")
    (folder / CASES).write_text(json.dumps({case.name: case.tree for case in cases}))


def everything(folder: Path, world: World) -> dict[str, Any]:
    """The toy task and every config in the folder."""
    size = world.ranks.world_size
    return {"toy": toy(folder / f"toy on {size}", world), **properties(folder, world)}


def properties(folder: Path, world: World) -> dict[str, Any]:
    """Train every config in the folder; training and validation losses of each."""
    trees: dict[str, Tree] = json.loads((folder / CASES).read_text())
    size = world.ranks.world_size
    return {
        name: _property(tree, folder / f"{name} on {size}", folder / "data", world)
        for name, tree in trees.items()
    }


def _property(tree: Tree, run_dir: Path, data: Path, world: World) -> list[Any]:
    run_dir.mkdir(parents=True, exist_ok=True)
    config = load_config(tree).config
    task = workload_of(config).task(config, data, world, Environment())
    settings = config.neural_network.training
    trainer = Trainer(task, settings, world, run_dir, StopAfter(run_dir), Environment())
    trainer.fit()
    return losses(run_dir)
