"""Whole trainings and predictions from a script."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hydria.config import LoadedConfig, load_config
from hydria.core.places import data_root, run_folder
from hydria.report import write_report
from hydria.report.record import HeadPredictions, read_predictions
from hydria.report.tables import results_table
from hydria.runtime.launch import detect_ranks
from hydria.scripting.ranks import refuse_deepspeed
from hydria.scripting.terminal import show
from hydria.workloads.predict import predict
from hydria.workloads.run import Request, train

log = logging.getLogger(__name__)

Config = str | Path | Mapping[str, Any]


class Predictions(NamedTuple):
    """What `run_prediction` returns, in the order of HydraGNN.

    Attributes:
        error: loss on the test set.
        errors: root mean square error of each head.
        true_values, predicted_values: of each head, (rows, dim) float64.
    """

    error: float
    errors: list[float]
    true_values: list[Tensor]
    predicted_values: list[Tensor]


def run_training(
    config: Config,
    use_deepspeed: bool = False,
    *,
    run_dir: str | Path | None = None,
    data: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
) -> Path:
    """Train a config, as `hydria train` does; under a launcher, as one of its ranks.

    Args:
        config: a path, the name of a config that comes with Hydria, or a dictionary.
        use_deepspeed: not available.
        run_dir: where to write; else `runs/<config>`.
        data: where raw data and stores lie; else $HYDRIA_DATA, else `./data`.
        resume: go on with the run that is there.
        force: replace the run that is there.

    Returns:
        The run folder.

    Raises:
        HydriaError: for what the user can put right.
        SystemExit: when the run was asked to stop (75: it can be resumed).
    """
    refuse_deepspeed(use_deepspeed)
    loaded = load_config(config)
    folder = run_folder(loaded.name, run_dir)
    _explain_devices(loaded)
    result = train(Request(loaded, folder, data_root(data), resume, force), os.environ)
    if result.exit_code:
        raise SystemExit(result.exit_code)
    if result.results:
        page = write_report(folder)
        show(log, f"{results_table(result.results)}\nreport {page}", _verbosity(loaded))
    return folder


def run_prediction(
    config: Config,
    use_deepspeed: bool = False,
    *,
    run_dir: str | Path | None = None,
    data: str | Path | None = None,
) -> Predictions:
    """Judge the best weights of the run of a config on its test set.

    Args:
        config: the one that was trained.
        use_deepspeed: not available.
        run_dir: where the run is; else `runs/<config>`.
        data: where raw data and stores lie; else $HYDRIA_DATA, else `./data`.

    Returns:
        Errors and values on rank 0, in the units of the data with `denormalize_output`; the other
        ranks get no values.
    """
    refuse_deepspeed(use_deepspeed)
    loaded = load_config(config)
    done = predict(run_folder(loaded.name, run_dir), data_root(data), os.environ)
    if not done.results:
        return Predictions(float("nan"), [], [], [])
    show(log, results_table(done.results), _verbosity(loaded))
    heads = read_predictions(done.path)
    return Predictions(
        done.results["test_loss"],
        [done.results["heads"][head.name]["rmse"] for head in heads],
        [_rows(head, head.target) for head in heads],
        [_rows(head, head.prediction) for head in heads],
    )


def _rows(head: HeadPredictions, values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values)).reshape(-1, int(head.component.max()) + 1)


def _verbosity(loaded: LoadedConfig) -> int:
    return loaded.config.verbosity.level


def _explain_devices(loaded: LoadedConfig) -> None:
    """A script cannot start itself again; only the command line does."""
    devices = loaded.config.devices
    if devices > 1 and detect_ranks(os.environ).source == "single":
        log.warning(
            "devices: %d asked for, 1 used. Hint: torchrun --nproc-per-node=%d script.py, or "
            "hydria train",
            devices,
            devices,
        )
