"""Optimisers by name, with all their parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from hydria.config.optimizers import AnyOptimizer
from hydria.runtime import collectives

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "Adamax": torch.optim.Adamax,
    "Adadelta": torch.optim.Adadelta,
    "Adagrad": torch.optim.Adagrad,
    "RMSprop": torch.optim.RMSprop,
}
NOT_ARGUMENTS = {"type", "learning_rate", "use_zero_redundancy"}


def build_optimizer(
    parameters: Iterable[nn.Parameter], settings: AnyOptimizer
) -> torch.optim.Optimizer:
    """The optimiser that `Training.Optimizer` describes.

    With `use_zero_redundancy` and several ranks each rank keeps the state of its share of the
    parameters only.
    """
    kind = OPTIMIZERS[settings.type]
    arguments: dict[str, Any] = settings.model_dump(exclude=NOT_ARGUMENTS)
    arguments["lr"] = settings.learning_rate
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if settings.use_zero_redundancy and collectives.is_distributed():
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(trained, optimizer_class=kind, **arguments)
    return kind(trained, **arguments)


def full_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The whole state of an optimiser, on rank 0; every rank must call it."""
    gather = getattr(optimizer, "consolidate_state_dict", None)
    if gather is None:
        return optimizer.state_dict()
    gather(to=0)
    return optimizer.state_dict() if collectives.rank() == 0 else {}
