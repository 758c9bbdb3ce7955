"""The `Training` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from hydria.config.base import Count, Fraction, Frozen, Index, NonNegative, Positive, Switch
from hydria.config.optimizers import AdamW, AnyOptimizer, AnyScheduler, ReduceLROnPlateau

# The spellings of upstream, torch and numpy → ours.
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
Loss = Literal["mse", "mae", "rmse", "huber", "smooth_l1", "GaussianNLLLoss"]
LOSSES: tuple[str, ...] = get_args(Loss)


def _precision(value: Any) -> Any:
    return PRECISIONS.get(str(value).lower(), value)


class Stage(Frozen):
    """What changes in the course of the training of a potential."""

    epoch: Count
    """The first epoch of the stage, counted from 0."""
    energy_weight: NonNegative | None = None
    """The weight from here on; as before when left out."""
    energy_peratom_weight: NonNegative | None = None
    """The same of the energy per atom."""
    force_weight: NonNegative | None = None
    """The same of the forces."""
    stress_weight: NonNegative | None = None
    """The same of the stress."""
    learning_rate: Positive | None = None
    """The learning rate from here on, with the schedule beginning anew."""


class Training(Frozen):
    """How a model is trained."""

    num_epoch: Count = 100
    """Passes over the training set."""
    batch_size: Count = 32
    """Graphs per rank and step, as in HydraGNN."""
    global_batch_size: Count | None = None
    """Graphs per step over all ranks; fixes it whatever the number of ranks."""
    perc_train: Fraction = 0.7
    """Part of the data that is trained on; the rest is halved into validation and test."""
    loss_function_type: Loss = "mse"
    """mse, mae, rmse, huber, smooth_l1, or GaussianNLLLoss (mean and variance)."""
    huber_delta: Positive = 1.0
    """Where huber and smooth_l1 turn from quadratic to linear."""
    force_loss_function_type: Literal["mse", "mae", "huber", "smooth_l1", "l2_norm"] | None = None
    """Loss of a potential's forces, if another; l2_norm is the length of the error of an atom."""
    stages: tuple[Stage, ...] = ()
    """Other weights of a potential's loss, and another learning rate, from some epochs on."""
    ema_decay: Fraction | None = None
    """Judge and keep an exponential moving average of the weights, with this decay per step."""
    early_stopping: Switch = Field(False, alias="EarlyStopping")
    """Stop when the validation loss stops falling."""
    patience: Count = 10
    """Epochs without a better validation loss before stopping."""
    checkpoint: Switch = Field(True, alias="Checkpoint")
    """Save the best state as training goes on; a stop and the end always save."""
    checkpoint_warmup: Index = 0
    """Start saving after this many epochs."""
    checkpoint_keep: Count = 3
    """Newest checkpoints to keep beside the best."""
    continue_: Switch = Field(False, alias="continue")
    """Start from the weights and optimiser of the run `startfrom`; 0 and 1 as in HydraGNN."""
    startfrom: str = "existing_model"
    """Run folder, or name of a run, that `continue` starts from."""
    clip_grad_norm: Positive | None = None
    """Largest norm of the gradient of the global batch."""
    seed: Index = 0
    """Everything random follows from it: splits, order, weights."""
    deterministic: bool | None = None
    """Deterministic algorithms only; by default on the CPU."""
    precision: Annotated[
        Literal["fp32", "fp64", "bf16"],
        BeforeValidator(_precision),
        WithJsonSchema({"enum": [*PRECISIONS, 32, 64]}),
    ] = "fp32"
    """fp32, fp64, or bf16 (fp32 weights, autocast)."""
    uncertainty_weighting: bool = False
    """Learn a weight for each output from its noise (Kendall et al. 2018), beside task_weights."""
    global_attn_redraw_interval: Count = 1000
    """Training steps between draws of the performer's random directions."""
    conv_checkpointing: bool = False
    """Recompute activations of the convolutions in the backward pass to save memory."""
    optimizer: AnyOptimizer = Field(AdamW(), alias="Optimizer")
    """Optimiser and its parameters."""
    scheduler: AnyScheduler = Field(ReduceLROnPlateau(), alias="Scheduler")
    """How the learning rate changes."""
    compute_grad_energy: bool = False
    """Forces as the negative gradient of the energy; enable_interatomic_potential says the same."""
