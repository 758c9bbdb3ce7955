"""From a spec to a model."""

from __future__ import annotations

import torch

from hydria.config.spec import ModelSpec
from hydria.core.errors import ConfigError, Problem
from hydria.models.base import MessagePassingStack
from hydria.models.potential import Potential
from hydria.models.registry import ARCHITECTURES

DTYPES = {"fp32": torch.float32, "fp64": torch.float64, "bf16": torch.float32}


def build_model(spec: ModelSpec) -> MessagePassingStack | Potential:
    """Make the model that `spec` describes, with fresh weights from torch's generator.

    Returns:
        A module whose `forward(batch)` gives one tensor per head of `spec.heads`: (G, dim) for
        graph heads, (N, dim) for node heads; with `gaussian_nll` 2·dim columns, the means and
        then the roots of the variances. An interatomic potential gives `PotentialOutputs`.
        Parameters are float64 with precision `fp64`, else float32.

    Raises:
        HydriaError: if the architecture, or an option asked for, is not there.
    """
    stack: type[MessagePassingStack] = ARCHITECTURES.load(spec.architecture.mpnn_type)
    _refuse_unavailable(spec, stack)
    network = stack(spec).to(DTYPES[spec.precision])
    return network if spec.potential is None else Potential(spec, network)


def _refuse_unavailable(spec: ModelSpec, stack: type[MessagePassingStack]) -> None:
    problems = [
        Problem(
            f"NeuralNetwork.Architecture.{option}",
            f"expected it off, because {spec.architecture.mpnn_type} has no such option, "
            f"got {getattr(spec.architecture, option)!r}",
        )
        for option in sorted(stack.unavailable)
        if getattr(spec.architecture, option)
    ]
    if problems:
        raise ConfigError(problems)
