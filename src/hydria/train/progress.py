"""How far a run has come, and the state of its random numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

NO_LOSS = float("inf")


@dataclass
class Progress:
    """Where a run stands; all of it goes into a checkpoint.

    Attributes:
        epoch, batch: the global batch that comes next.
        step: optimiser steps done.
        sums, counts: (T,) float64, loss sums and elements of the epoch so far.
        samples, seconds: of the epoch so far.
        elapsed: seconds of all epochs before it.
        best_loss, best_epoch, best_step: of the best checkpoint; infinite without one.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    counts: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    samples: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    best_loss: float = NO_LOSS
    best_epoch: int = -1
    best_step: int = -1

    def begin_epoch(self, epoch: int, terms: int, device: torch.device) -> None:
        """Set out on a new epoch of `terms` loss terms."""
        self.epoch, self.batch, self.samples = epoch, 0, 0
        self.sums = torch.zeros(terms, dtype=torch.float64, device=device)
        self.counts = torch.zeros(terms, dtype=torch.float64)
        self.elapsed += self.seconds
        self.seconds = 0.0

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any], device: torch.device) -> Progress:
        """The progress in a checkpoint, its sums on `device`."""
        return cls(**{**state, "sums": state["sums"].to(device)})


def random_state(device: torch.device) -> dict[str, Any]:
    """State of every generator of this process, readable with ``weights_only=True``."""
    name, keys, *rest = cast(tuple[Any, ...], np.random.get_state(legacy=True))
    state = {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
    }
    if device.type != "cpu":
        state["device"] = getattr(torch, device.type).get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put every generator of this process where `random_state` found it."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if device.type != "cpu" and "device" in state:
        getattr(torch, device.type).set_rng_state(state["device"].cpu(), device)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
