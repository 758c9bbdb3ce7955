"""What all heads do alike at their end."""

from __future__ import annotations

from torch import nn

from hydria.config.spec import HeadSpec, ModelSpec


def num_columns(spec: ModelSpec, head: HeadSpec) -> int:
    """Columns of a head: a Gaussian likelihood adds one root of a variance to each mean."""
    return head.dim * (2 if spec.gaussian_nll else 1)


def set_bias(last: nn.Module, spec: ModelSpec) -> None:
    """Start the bias of a last layer at `initial_bias`, if there is one."""
    if spec.architecture.initial_bias is not None:
        nn.init.constant_(last.get_parameter("bias"), spec.architecture.initial_bias)
