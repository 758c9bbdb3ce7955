"""Whether the same run gives the same bits."""

from __future__ import annotations

import os

import torch
from torch.utils import deterministic


def set_deterministic(wanted: bool | None, device: torch.device) -> bool:
    """Allow deterministic algorithms only.

    Args:
        wanted: None means on the CPU, where they cost little.
        device: where the model computes.

    Returns:
        Whether it is on.
    """
    on = device.type == "cpu" if wanted is None else wanted
    torch.use_deterministic_algorithms(on)
    # filling fresh memory finds bugs in algorithms; it does not change what correct ones give
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if on and device.type == "cuda":
        # cuBLAS reads it when it starts
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    return on
