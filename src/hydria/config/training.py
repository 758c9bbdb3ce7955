"""The `Training` section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from hydria.config.base import Frozen
from hydria.config.optimizers import AdamW, AnyOptimizer, AnyScheduler, ReduceLROnPlateau

PRECISIONS = {
    "fp32": "fp32",
    "float32": "fp32",
    "32": "fp32",
    "single": "fp32",
    "fp64": "fp64",
    "float64": "fp64",
    "64": "fp64",
    "double": "fp64",
    "bf16": "bf16",
    "bfloat16": "bf16",
}
LOSSES = ("mse", "mae", "rmse", "huber", "smooth_l1", "GaussianNLLLoss")


def _known_precision(value: str) -> str:
    if value not in PRECISIONS:
        raise ValueError(f"expected one of fp32, fp64, bf16, got {value!r}")
    return PRECISIONS[value]


class Training(Frozen):
    """How a model is trained."""

    num_epoch: PositiveInt = 100
    batch_size: PositiveInt = 32
    """Graphs per rank and step, as in HydraGNN."""
    global_batch_size: PositiveInt | None = None
    """Graphs per step over all ranks; fixes it whatever the number of ranks."""
    perc_train: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Part of the data that is trained on; the rest is halved into validation and test."""
    loss_function_type: Literal["mse", "mae", "rmse", "huber", "smooth_l1", "GaussianNLLLoss"] = (
        "mse"
    )
    huber_delta: PositiveFloat = 1.0
    """Where huber and smooth_l1 turn from quadratic to linear."""
    early_stopping: bool = Field(False, alias="EarlyStopping")
    patience: PositiveInt = 10
    """Epochs without a better validation loss before stopping."""
    checkpoint: bool = Field(True, alias="Checkpoint")
    """Save the best state as training goes on; a stop and the end always save."""
    checkpoint_warmup: NonNegativeInt = 0
    """Start saving after this many epochs."""
    checkpoint_keep: PositiveInt = 3
    """Newest checkpoints to keep beside the best."""
    continue_: bool = Field(False, alias="continue")
    """Start from the weights and optimiser of the run `startfrom`."""
    startfrom: str = "existing_model"
    """Run folder, or name of a run, that `continue` starts from."""
    clip_grad_norm: PositiveFloat | None = None
    """Largest norm of the gradient of the global batch."""
    seed: NonNegativeInt = 0
    """Everything random follows from it: splits, order, weights."""
    deterministic: bool | None = None
    """Deterministic algorithms only; by default on the CPU."""
    precision: Annotated[str, BeforeValidator(str), AfterValidator(_known_precision)] = "fp32"
    """fp32, fp64, or bf16 (fp32 weights, autocast)."""
    conv_checkpointing: bool = False
    """Recompute activations of the convolutions in the backward pass to save memory."""
    optimizer: AnyOptimizer = Field(AdamW(), alias="Optimizer")
    scheduler: AnyScheduler = Field(ReduceLROnPlateau(), alias="Scheduler")
    compute_grad_energy: bool = False
    """Forces as the negative gradient of the energy."""
