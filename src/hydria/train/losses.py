"""Losses by name, as sums over elements, so that a mean can be taken over the global batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hydria.config.training import Training
from hydria.core.errors import HydriaError
from hydria.core.registry import nearest

MIN_VARIANCE = 1e-6


def _same(mean: Tensor) -> Tensor:
    return mean


def _root(mean: Tensor) -> Tensor:
    # the root has no finite slope at 0; below the smallest normal number the gradient is 0
    return mean.clamp_min(torch.finfo(mean.dtype).tiny).sqrt()


@dataclass(frozen=True)
class Loss:
    """A loss of one head.

    Attributes:
        pointwise: (outputs, targets) → one value per element of the target.
        finish: from the mean over all elements of the global batch to the loss.
        widening: columns of the output for each column of the target.
        per_row: one value per row of the target instead of one per element.
    """

    pointwise: Callable[[Tensor, Tensor], Tensor]
    finish: Callable[[Tensor], Tensor] = _same
    widening: int = 1
    per_row: bool = False

    def local_sum(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum over the elements of this rank, 0-dimensional; 0 with a gradient when empty."""
        return self.pointwise(outputs, targets).sum()


def _variance(root: Tensor) -> Tensor:
    return root.square().clamp_min(MIN_VARIANCE)


def deviation_of(root: Tensor) -> Tensor:
    """The standard deviation that the second half of the outputs of a Gaussian head stands for."""
    return _variance(root).sqrt()


def _gaussian_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood up to a constant; the variance is the square of the second half.

    Source: Nix and Weigend 1994, as in `torch.nn.GaussianNLLLoss`.
    """
    mean, root = outputs.chunk(2, dim=-1)
    variance = _variance(root)
    return 0.5 * (variance.log() + (mean - targets) ** 2 / variance)


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets) ** 2


def _absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs()


def _huber(delta: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda out, target: functional.huber_loss(out, target, reduction="none", delta=delta)


def _smooth_l1(beta: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda out, target: functional.smooth_l1_loss(out, target, reduction="none", beta=beta)


LOSSES: dict[str, Callable[[float], Loss]] = {
    "mse": lambda delta: Loss(_squared),
    "mae": lambda delta: Loss(_absolute),
    "rmse": lambda delta: Loss(_squared, finish=_root),
    "huber": lambda delta: Loss(_huber(delta)),
    "smooth_l1": lambda delta: Loss(_smooth_l1(delta)),
    "GaussianNLLLoss": lambda delta: Loss(_gaussian_nll, widening=2),
}


def _distance(outputs: Tensor, targets: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(outputs - targets, dim=-1)
    return lengths


FORCE_LOSSES: dict[str, Callable[[float], Loss]] = {
    **{name: LOSSES[name] for name in ("mse", "mae", "huber", "smooth_l1")},
    "l2_norm": lambda delta: Loss(_distance, per_row=True),
}


def build_force_loss(settings: Training) -> Loss:
    """The loss of forces: `Training.force_loss_function_type`, else that of everything."""
    name = settings.force_loss_function_type
    return build_loss(settings) if name is None else FORCE_LOSSES[name](settings.huber_delta)


def build_loss(settings: Training) -> Loss:
    """The loss that `Training.loss_function_type` names."""
    name = settings.loss_function_type
    if name not in LOSSES:
        close = nearest(name, LOSSES)
        raise HydriaError(
            f"Training.loss_function_type: expected one of {', '.join(LOSSES)}, got {name!r}"
            + (f". Hint: did you mean {close!r}?" if close else "")
        )
    return LOSSES[name](settings.huber_delta)
