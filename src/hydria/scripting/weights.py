"""Weights and optimiser of a script's own model, as files that HydraGNN writes too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hydria.core.errors import CheckpointError
from hydria.core.files import replace_atomically
from hydria.models.base import MessagePassingStack
from hydria.models.upstream import convert_state
from hydria.runtime import collectives
from hydria.scripting.terminal import show
from hydria.train.optim import full_state

log = logging.getLogger(__name__)

LOGS = "./logs/"


def save_model(
    model: nn.Module, optimizer: torch.optim.Optimizer, name: str, path: str | Path = LOGS
) -> None:
    """Write `<path>/<name>/<name>.pk`, on rank 0; every rank must call it.

    Args:
        model: any module; a wrapper for several ranks is looked through.
        optimizer: its state is saved too.
        name: of the run.
        path: folder of all runs.
    """
    state = {
        "model_state_dict": plain(model).state_dict(),
        "optimizer_state_dict": full_state(optimizer),
    }
    if collectives.rank() == 0:
        with replace_atomically(_file(name, path)) as temporary:
            torch.save(state, temporary)
    collectives.barrier()


def load_existing_model_config(
    model: nn.Module,
    config: Mapping[str, Any],
    path: str | Path = LOGS,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Load what `continue` and `startfrom` of a `Training` section ask for; nothing without.

    Args:
        model: is given the weights.
        config: the `Training` section.
        path: folder of all runs.
        optimizer: is given its state, when there is one.
    """
    if config.get("continue"):
        load_existing_model(model, str(config.get("startfrom", "existing_model")), path, optimizer)


def load_existing_model(
    model: nn.Module,
    model_name: str,
    path: str | Path = LOGS,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Load `<path>/<model_name>/<model_name>.pk`, written by `save_model` or by HydraGNN.

    Raises:
        CheckpointError: when it is missing, damaged, or of another model.
    """
    file = _file(model_name, path)
    saved = _read(file)
    bare = plain(model)
    weights = saved["model_state_dict"]
    foreign = isinstance(bare, MessagePassingStack) and not _same_names(weights, bare)
    if isinstance(bare, MessagePassingStack) and foreign:
        weights = convert_state(weights, bare.spec)
    try:
        bare.load_state_dict(weights)
        if optimizer is not None and "optimizer_state_dict" in saved and not foreign:
            optimizer.load_state_dict(saved["optimizer_state_dict"])
    except (RuntimeError, ValueError) as err:
        raise CheckpointError(
            f"{file}: expected weights of this model, got others: {str(err).splitlines()[0]} "
            "Hint: is it the config of that run?"
        ) from err
    if optimizer is not None and foreign:
        log.warning("%s: weights of HydraGNN; the optimiser starts afresh", file)
    show(log, f"weights from {file}")


def _file(name: str, path: str | Path) -> Path:
    return Path(path) / name / f"{name}.pk"


def _read(file: Path) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        names = saved["model_state_dict"].keys()
    except FileNotFoundError as err:
        raise CheckpointError(
            f"{file}: expected saved weights, got nothing there. "
            "Hint: Training.startfrom names a run in the folder of all runs"
        ) from err
    except Exception as err:  # unpickling raises whatever the bytes make it
        raise CheckpointError(f"{file}: cannot be read: {str(err).splitlines()[0]}") from err
    if names and all(name.startswith("module.") for name in names):
        saved["model_state_dict"] = {
            name.removeprefix("module."): value for name, value in saved["model_state_dict"].items()
        }
    return saved


def _same_names(weights: Mapping[str, Any], model: nn.Module) -> bool:
    return weights.keys() == model.state_dict().keys()


def plain(model: nn.Module) -> nn.Module:
    """The module inside a wrapper for several ranks."""
    inner = getattr(model, "module", model)
    return inner if isinstance(inner, nn.Module) else model
