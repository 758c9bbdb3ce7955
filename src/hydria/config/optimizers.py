"""Optimisers and learning-rate schedules by name, with all their parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hydria.config.base import Count, Fraction, Frozen, Index, NonNegative, Positive

Decay = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Decay, Decay]


def _typed(default: str) -> BeforeValidator:
    """A section without `type` means the default one; a bare name is its type."""

    def complete(value: Any) -> Any:
        if isinstance(value, str):
            return {"type": value}
        return {"type": default, **value} if isinstance(value, dict) else value

    return BeforeValidator(complete)


class _Optimizer(Frozen):
    learning_rate: Positive = 1e-3
    """Step size at the start."""
    weight_decay: NonNegative = 0.0
    """Pull of the weights towards zero."""
    use_zero_redundancy: bool = False
    """Shard the optimiser's state over the ranks."""


class SGD(_Optimizer):
    """Stochastic gradient descent."""

    type: Literal["SGD"]
    momentum: NonNegative = 0.0
    dampening: NonNegative = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGD:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                "expected momentum > 0 and dampening 0 with nesterov, "
                f"got momentum {self.momentum:g} and dampening {self.dampening:g}"
            )
        return self


class Adam(_Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980)."""

    type: Literal["Adam"]
    betas: Betas = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    amsgrad: bool = False


class AdamW(_Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    type: Literal["AdamW"] = "AdamW"
    """Optimiser: SGD, Adam, AdamW, Adamax, Adadelta, Adagrad or RMSprop."""
    weight_decay: NonNegative = 0.01
    """Pull of the weights towards zero."""
    betas: Betas = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the second moment."""
    amsgrad: bool = False
    """Keep the largest second moment."""


class Adamax(_Optimizer):
    """Adam in the infinity norm."""

    type: Literal["Adamax"]
    betas: Betas = (0.9, 0.999)
    """Decay of the running means of the gradient and of its infinity norm."""
    eps: Positive = 1e-8


class Adadelta(_Optimizer):
    """Adadelta (Zeiler 2012, arXiv:1212.5701)."""

    type: Literal["Adadelta"]
    rho: Fraction = 0.9
    eps: Positive = 1e-6


class Adagrad(_Optimizer):
    """Adagrad (Duchi et al. 2011)."""

    type: Literal["Adagrad"]
    lr_decay: NonNegative = 0.0
    initial_accumulator_value: NonNegative = 0.0
    eps: Positive = 1e-10


class RMSprop(_Optimizer):
    """RMSprop (Hinton 2012)."""

    type: Literal["RMSprop"]
    alpha: Fraction = 0.99
    """Decay of the running mean of the squared gradient."""
    eps: Positive = 1e-8
    momentum: NonNegative = 0.0
    centered: bool = False


AnyOptimizer = Annotated[
    SGD | Adam | AdamW | Adamax | Adadelta | Adagrad | RMSprop,
    Field(discriminator="type"),
    _typed("AdamW"),
]


class ReduceLROnPlateau(Frozen):
    """Lower the rate when the validation loss stops falling (upstream's schedule and values)."""

    type: Literal["ReduceLROnPlateau"] = "ReduceLROnPlateau"
    """Schedule: ReduceLROnPlateau, StepLR, ExponentialLR, CosineAnnealingLR or ConstantLR."""
    factor: Fraction = 0.5
    """What the rate is multiplied by."""
    patience: Index = 5
    """Epochs without a better validation loss before the rate is lowered."""
    threshold: NonNegative = 1e-4
    """Smallest relative fall of the loss that counts as better."""
    cooldown: Index = 0
    """Epochs to wait after the rate was lowered."""
    min_lr: NonNegative = 1e-5
    """The rate does not fall below this."""


class StepLR(Frozen):
    """Multiply the rate by `gamma` every `step_size` epochs."""

    type: Literal["StepLR"]
    step_size: Count
    """Epochs between two steps."""
    gamma: Positive = 0.1


class ExponentialLR(Frozen):
    """Multiply the rate by `gamma` every epoch."""

    type: Literal["ExponentialLR"]
    gamma: Annotated[float, Field(gt=0, le=1)]
    """What the rate is multiplied by."""


class CosineAnnealingLR(Frozen):
    """Half a cosine from the rate to `eta_min` over `T_max` epochs (none: all epochs)."""

    type: Literal["CosineAnnealingLR"]
    T_max: Count | None = None
    """Epochs of the half cosine."""
    eta_min: NonNegative = 0.0
    """The rate at its end."""


class ConstantLR(Frozen):
    """Keep the rate as it is."""

    type: Literal["ConstantLR"]


AnyScheduler = Annotated[
    ReduceLROnPlateau | StepLR | ExponentialLR | CosineAnnealingLR | ConstantLR,
    Field(discriminator="type"),
    _typed("ReduceLROnPlateau"),
]
