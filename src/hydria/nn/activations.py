"""Activation functions by their config names (user manual, "activation_function")."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from hydria.core.errors import ModelError, listed

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "lrelu_01": lambda: nn.LeakyReLU(0.1),
    "lrelu_025": lambda: nn.LeakyReLU(0.25),
    "lrelu_05": lambda: nn.LeakyReLU(0.5),
    "sigmoid": nn.Sigmoid,
}


def activation(name: str) -> nn.Module:
    """The activation called `name`; `prelu` has a parameter, so share the module to share it.

    Raises:
        ModelError: if there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise ModelError(
            f"activation_function: expected one of {listed(ACTIVATIONS)}, got {name!r}"
        )
    return ACTIVATIONS[name]()
