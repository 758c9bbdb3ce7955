"""Calling our own differentiable functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def applied(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    """``function.apply(*inputs)`` in one precision, the widest of the floating inputs.

    Autocast would narrow some products inside and leave others, and does not look at the
    precisions of what goes in.
    """
    floats = [value for value in inputs if _is_floating(value)]
    dtype = floats[0].dtype
    for value in floats:
        dtype = torch.promote_types(dtype, value.dtype)
    same = [value.to(dtype) if _is_floating(value) else value for value in inputs]
    with torch.autocast(floats[0].device.type, enabled=False):
        output: Tensor = function.apply(*same)  # type: ignore[no-untyped-call]
    return output


def _is_floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
