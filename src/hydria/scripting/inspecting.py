"""What a script prints about its model and its memory."""

from __future__ import annotations

import logging
import resource
import sys

import torch
from torch import nn

from hydria.scripting.terminal import show

log = logging.getLogger(__name__)

MIB = 2**20


def print_model(model: nn.Module) -> None:
    """Show every parameter and buffer of `model` with its shape, and their number, on rank 0."""
    state = {name: value for name, value in model.state_dict().items() if value is not None}
    wide = max((len(name) for name in state), default=0)
    lines = [
        f"{name:<{wide}}  {tuple(value.shape)!s:>18}  {value.numel():>12,}"
        for name, value in state.items()
    ]
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    size = sum(value.numel() * value.element_size() for value in state.values())
    total = sum(value.numel() for value in state.values())
    lines.append(f"{total:,} values ({trained:,} trained), {size / MIB:.2f} MiB")
    show(log, "\n".join(lines))


def print_peak_memory(verbosity_level: int, prefix: str = "") -> None:
    """Show the largest memory this process has used so far.

    Args:
        verbosity_level: as in the config; 0 shows nothing, 3 and 4 every rank.
        prefix: put before the figures.
    """
    figures = [f"{peak_host_memory() / MIB:.0f} MiB on the host"]
    if torch.cuda.is_available():
        figures.append(f"{torch.cuda.max_memory_allocated() / MIB:.0f} MiB on the device")
    text = f"peak memory {', '.join(figures)}"
    show(log, f"{prefix}: {text}" if prefix else text, verbosity_level)


def peak_host_memory() -> int:
    """Largest resident set of this process so far, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
