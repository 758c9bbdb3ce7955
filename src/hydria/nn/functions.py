"""Calling our own differentiable functions, or torch's own operations in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

_PLAIN: ContextVar[bool] = ContextVar("plain", default=False)


@contextmanager
def plain_operations() -> Iterator[None]:
    """Use torch's own operations alone while the block runs, none of which looks at the data.

    So a model can be recorded as a graph of operations, for batches of any size.
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def plain() -> bool:
    """Whether only torch's own operations are to be used."""
    return _PLAIN.get()


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
