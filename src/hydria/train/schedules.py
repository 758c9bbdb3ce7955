"""Learning-rate schedules by name; all step once an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from hydria.config.optimizers import AnyScheduler


class Schedule:
    """One way to step every schedule: with the loss of the epoch, used or not."""

    def __init__(self, scheduler: Any, follows_loss: bool) -> None:
        self._scheduler = scheduler
        self.follows_loss = follows_loss

    def step(self, loss: float) -> None:
        """Go on to the next epoch; `loss` is the validation loss of the one just ended."""
        if self.follows_loss:
            self._scheduler.step(loss)
        else:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return dict(self._scheduler.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._scheduler.load_state_dict(state)


def _plateau(optimizer: Optimizer, values: dict[str, Any], epochs: int) -> Any:
    return lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", **values)


def _cosine(optimizer: Optimizer, values: dict[str, Any], epochs: int) -> Any:
    values["T_max"] = values["T_max"] or epochs
    return lr_scheduler.CosineAnnealingLR(optimizer, **values)


def _constant(optimizer: Optimizer, values: dict[str, Any], epochs: int) -> Any:
    return lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)


SCHEDULES: dict[str, Callable[[Optimizer, dict[str, Any], int], Any]] = {
    "ReduceLROnPlateau": _plateau,
    "StepLR": lambda optimizer, values, epochs: lr_scheduler.StepLR(optimizer, **values),
    "ExponentialLR": lambda optimizer, values, epochs: lr_scheduler.ExponentialLR(
        optimizer, **values
    ),
    "CosineAnnealingLR": _cosine,
    "ConstantLR": _constant,
}


def build_schedule(optimizer: Optimizer, settings: AnyScheduler, epochs: int) -> Schedule:
    """The schedule that `Training.Scheduler` describes, over `epochs` epochs."""
    values = settings.model_dump(exclude={"type"})
    scheduler = SCHEDULES[settings.type](optimizer, values, epochs)
    return Schedule(scheduler, follows_loss=settings.type == "ReduceLROnPlateau")
