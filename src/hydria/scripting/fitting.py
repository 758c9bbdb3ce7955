"""Training of a script's own model, with its own optimiser."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, ReduceLROnPlateau

from hydria.config import LoadedConfig, RunConfig, load_config
from hydria.core.errors import ConfigError, DataError, Problem
from hydria.data.prepare import PreparedData
from hydria.models.base import MessagePassingStack
from hydria.report import write_report
from hydria.report.tables import results_table
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.scripting.configs import without_facts
from hydria.scripting.loaders import GraphLoader
from hydria.scripting.ranks import join, refuse_deepspeed
from hydria.scripting.terminal import show
from hydria.scripting.weights import LOGS, plain
from hydria.train.loop import Trainer
from hydria.train.records import Record
from hydria.train.schedules import Schedule
from hydria.workloads.base import Workload
from hydria.workloads.property import PropertyWorkload
from hydria.workloads.property.task import PropertyTask
from hydria.workloads.run import Request, train

log = logging.getLogger(__name__)

# names of HydraGNN's TensorBoard curves
SCALARS = {"train_loss": "train error", "val_loss": "validate error", "lr": "learning rate"}


def train_validate_test(
    model: nn.Module,
    optimizer: Optimizer,
    train_loader: GraphLoader,
    val_loader: GraphLoader,
    test_loader: GraphLoader,
    writer: Any,
    scheduler: Any,
    config: Mapping[str, Any],
    log_name: str,
    verbosity: int = 0,
    plot_init_solution: bool = False,
    plot_hist_solution: bool = False,
    create_plots: bool = False,
    use_deepspeed: bool = False,
    compute_grad_energy: bool = False,
) -> Path:
    """Train a model, keep its best weights, and judge them on the test set.

    Args:
        model: gives a list with one tensor per head; holds the best weights afterwards.
        optimizer: of the model's parameters.
        train_loader, val_loader, test_loader: of one `dataset_loading_and_splitting`.
        writer: a TensorBoard writer that is told the losses too, or None.
        scheduler: of the optimiser, stepped once an epoch; None keeps the learning rate.
        config: the `NeuralNetwork` section; its `Training` says how long, and with what loss.
        log_name: the run folder is `logs/<log_name>`; a run that is there is replaced.
        verbosity: as in the config.
        plot_init_solution, plot_hist_solution: the report shows the final solution only.
        create_plots: draw `report.html` in the run folder.
        use_deepspeed, compute_grad_energy: not available.

    Returns:
        The run folder.

    Raises:
        HydriaError: for what the user can put right.
        SystemExit: when the run was asked to stop (75: a checkpoint was written).
    """
    refuse_deepspeed(use_deepspeed)
    _refuse_gradients(compute_grad_energy)
    prepared = _common_data(train_loader, val_loader, test_loader)
    folder = Path(LOGS) / log_name

    def adjust(trainer: Trainer) -> None:
        follows_loss = isinstance(scheduler, ReduceLROnPlateau)
        trainer.stepper.optimizer = optimizer
        trainer.stepper.schedule = Schedule(scheduler or ConstantLR(optimizer, 1.0), follows_loss)

    request = Request(
        _loaded(config, train_loader.config, verbosity),
        folder,
        data_root=Path(),
        force=True,
        workload=cast(Workload, OwnModel(plain(model), prepared)),
        world=join(),
        adjust=adjust,
    )
    result = train(request, os.environ, [] if writer is None else [WriterObserver(writer)])
    if result.exit_code:
        raise SystemExit(result.exit_code)
    if result.results:
        show(log, results_table(result.results), verbosity)
        if create_plots:
            show(log, f"report {write_report(folder)}", verbosity)
    return folder


class OwnModel(PropertyWorkload):
    """Property regression with a model and data that are there already."""

    def __init__(self, model: nn.Module, prepared: PreparedData) -> None:
        self.model, self.prepared = model, prepared

    def prepare(self, *_: Any) -> None:
        """Nothing is left to prepare."""

    def task(
        self, config: RunConfig, data_root: Path, world: World, environment: Environment
    ) -> PropertyTask:
        task = PropertyTask(config, self.prepared, world, environment)
        task.model = self.model  # type: ignore[assignment]
        if isinstance(self.model, MessagePassingStack):
            task.facts = self.model.spec.model_dump(mode="json")
        return task


class WriterObserver:
    """Tells a script's TensorBoard writer what each epoch gave."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def epoch_started(self, epoch: int, first_batch: int, batches: int) -> None:
        """Nothing to tell yet."""

    def batch_done(self) -> None:
        """Nothing to tell yet."""

    def epoch_ended(self, record: Record) -> None:
        for key, name in SCALARS.items():
            if record[key] is not None:
                self.writer.add_scalar(name, record[key], record["epoch"])


def _loaded(section: Mapping[str, Any], of_data: RunConfig, verbosity: int) -> LoadedConfig:
    """The config of the run: the script's section with the data of the loaders."""
    tree = {"NeuralNetwork": without_facts(section), "Verbosity": {"level": verbosity}}
    loaded = load_config(tree)
    changes = {"neural_network": loaded.config.neural_network, "dataset": of_data.dataset}
    return replace(loaded, config=loaded.config.model_copy(update=changes))


def _common_data(*loaders: Any) -> PreparedData:
    if not all(isinstance(loader, GraphLoader) for loader in loaders):
        raise DataError(
            "train_validate_test: expected loaders of dataset_loading_and_splitting, got "
            + ", ".join(type(loader).__name__ for loader in loaders)
        )
    if len({id(loader.prepared) for loader in loaders}) > 1:
        raise DataError("train_validate_test: expected three loaders of one data set, got others")
    prepared: PreparedData = loaders[0].prepared
    return prepared


def _refuse_gradients(compute_grad_energy: bool) -> None:
    if compute_grad_energy:
        problem = Problem("compute_grad_energy", "expected False: forces are not available")
        raise ConfigError([problem])
