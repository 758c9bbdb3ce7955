"""HydraGNN's names of SchNet's weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CONV_RULES = (
    (r"offset", None),
    (r"(lin[12])\.(\w+)", r"\1.\2"),
    (r"nn\.0\.(\w+)", r"expand.\1"),
    (r"nn\.2\.(\w+)", r"generate.\1"),
    (r"coord_mlp\.(\d)\.(\w+)", r"coord_mlp.\1.\2"),
)
PERIODIC = "HydraGNN's SchNet saw no periodic images, this one sees them"
MODEL_RULES = ((r"distance_expansion\.offset", "basis.centers"),)

# upstream shifts softplus by ln 2 as float32 knows it, whatever the precision of the model
SHIFT_EXCESS = float(torch.tensor(2.0).log()) - math.log(2.0)


def adapt(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the rounding of upstream's shift into the biases that follow it."""
    for name in [name for name in state if name.endswith("generate.bias")]:
        weight = state[name.replace("bias", "weight")]
        state[name] = state[name] - SHIFT_EXCESS * weight.sum(1)
    return state
