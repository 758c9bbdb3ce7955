"""Optimisers and learning-rate schedules by name, with all their parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from hydria.config.base import Frozen

Betas = tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]


def _typed(default: str) -> BeforeValidator:
    """A section without `type` means the default one."""
    return BeforeValidator(
        lambda value: {"type": default, **value} if isinstance(value, dict) else value
    )


class _Optimizer(Frozen):
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    use_zero_redundancy: bool = False
    """Shard the optimiser's state over the ranks."""


class SGD(_Optimizer):
    """Stochastic gradient descent."""

    type: Literal["SGD"]
    momentum: NonNegativeFloat = 0.0
    dampening: NonNegativeFloat = 0.0
    nesterov: bool = False


class Adam(_Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980)."""

    type: Literal["Adam"]
    betas: Betas = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    amsgrad: bool = False


class AdamW(_Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    type: Literal["AdamW"] = "AdamW"
    weight_decay: NonNegativeFloat = 0.01
    betas: Betas = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    amsgrad: bool = False


class Adamax(_Optimizer):
    """Adam in the infinity norm."""

    type: Literal["Adamax"]
    betas: Betas = (0.9, 0.999)
    eps: PositiveFloat = 1e-8


class Adadelta(_Optimizer):
    """Adadelta (Zeiler 2012, arXiv:1212.5701)."""

    type: Literal["Adadelta"]
    rho: Annotated[float, Field(gt=0, lt=1)] = 0.9
    eps: PositiveFloat = 1e-6


class Adagrad(_Optimizer):
    """Adagrad (Duchi et al. 2011)."""

    type: Literal["Adagrad"]
    lr_decay: NonNegativeFloat = 0.0
    initial_accumulator_value: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-10


class RMSprop(_Optimizer):
    """RMSprop (Hinton 2012)."""

    type: Literal["RMSprop"]
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.99
    eps: PositiveFloat = 1e-8
    momentum: NonNegativeFloat = 0.0
    centered: bool = False


AnyOptimizer = Annotated[
    SGD | Adam | AdamW | Adamax | Adadelta | Adagrad | RMSprop,
    Field(discriminator="type"),
    _typed("AdamW"),
]


class ReduceLROnPlateau(Frozen):
    """Lower the rate when the validation loss stops falling (upstream's schedule and values)."""

    type: Literal["ReduceLROnPlateau"] = "ReduceLROnPlateau"
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Field(ge=0)] = 5
    threshold: NonNegativeFloat = 1e-4
    cooldown: Annotated[int, Field(ge=0)] = 0
    min_lr: NonNegativeFloat = 1e-5


class StepLR(Frozen):
    """Multiply the rate by `gamma` every `step_size` epochs."""

    type: Literal["StepLR"]
    step_size: PositiveInt
    gamma: PositiveFloat = 0.1


class ExponentialLR(Frozen):
    """Multiply the rate by `gamma` every epoch."""

    type: Literal["ExponentialLR"]
    gamma: Annotated[float, Field(gt=0, le=1)]


class CosineAnnealingLR(Frozen):
    """Half a cosine from the rate to `eta_min` over `T_max` epochs (none: all epochs)."""

    type: Literal["CosineAnnealingLR"]
    T_max: PositiveInt | None = None
    eta_min: NonNegativeFloat = 0.0


class ConstantLR(Frozen):
    """Keep the rate as it is."""

    type: Literal["ConstantLR"]


AnyScheduler = Annotated[
    ReduceLROnPlateau | StepLR | ExponentialLR | CosineAnnealingLR | ConstantLR,
    Field(discriminator="type"),
    _typed("ReduceLROnPlateau"),
]
