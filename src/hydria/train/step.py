"""One optimiser step on a global batch, of which this rank has a part."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from hydria.config.training import Training
from hydria.runtime.collectives import global_sum, is_distributed
from hydria.runtime.process_group import World
from hydria.train.optim import build_optimizer
from hydria.train.schedules import build_schedule
from hydria.train.task import Part, Stage, Task

# torch 2.13 renamed it
BROADCAST = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in inspect.signature(DistributedDataParallel).parameters
)
Weights = tuple[Tensor, ...] | list[Tensor]
DTYPES = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}


class Stepper:
    """Model, optimiser and schedule on the device of this rank.

    Attributes:
        model: the plain model that is trained.
        averaged: its weights averaged over the steps, with `Training.ema_decay`.
        weights: (T,) of the terms of the loss, now.
        optimizer, schedule: what `Training.Optimizer` and `Training.Scheduler` describe.
    """

    def __init__(self, task: Task, settings: Training, world: World) -> None:
        self.task, self.settings = task, settings
        self.device = world.device
        self.dtype = DTYPES[settings.precision]
        self.model = task.model.to(device=self.device, dtype=self.dtype)
        self.optimizer = build_optimizer(self.model.parameters(), settings.optimizer)
        self.schedule = build_schedule(self.optimizer, settings.scheduler, settings.num_epoch)
        self.averaged = _average(self.model, settings.ema_decay)
        self.weights = task.weights
        self._clip = settings.clip_grad_norm
        self._bf16 = settings.precision == "bf16"
        self._parallel = _distributed(self.model, task, world) if is_distributed() else self.model

    @property
    def evaluated(self) -> nn.Module:
        """The model that is judged and kept: the average, or the trained one itself."""
        return self.model if self.averaged is None else self.averaged.module

    def begin(self, stage: Stage) -> None:
        """Go on with other weights of the loss, and another learning rate."""
        self.weights = stage.weights
        follows_loss = self.schedule.follows_loss
        if stage.learning_rate is None and not follows_loss:
            return
        for group in self.optimizer.param_groups:
            group["lr"] = stage.learning_rate or group["lr"]
            group.pop("initial_lr", None)
        remaining = self.settings.num_epoch - stage.epoch
        self.schedule = build_schedule(self.optimizer, self.settings.scheduler, remaining)

    def state_dict(self) -> dict[str, Any]:
        """Weights for a checkpoint: `model` is what is judged, `trained` what is behind it."""
        state: dict[str, Any] = {"model": self.evaluated.state_dict()}
        if self.averaged is not None:
            state["trained"] = self.model.state_dict()
            state["averaged_steps"] = int(self.averaged.n_averaged)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the weights of a checkpoint, of a run with or without an average."""
        self.model.load_state_dict(state.get("trained", state["model"]))
        if self.averaged is not None:
            self.averaged.module.load_state_dict(state["model"])
            self.averaged.n_averaged.fill_(state.get("averaged_steps", 0))

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 where it is asked for."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._bf16)

    def train(self, batch: Any, counts: Tensor) -> Tensor:
        """One step.

        Args:
            batch: this rank's part, on the device.
            counts: (T,) elements of each term in the global batch.

        Returns:
            (T,) sums of each term over the global batch, without gradient.
        """
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            outputs = self._parallel(batch)
        sums = global_sum(self.task.loss_sums(outputs, batch))
        means = self.task.finish(sums / counts.to(sums))
        loss = self._objective(means)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._clip)
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        return sums.detach()

    def _objective(self, means: Tensor) -> Tensor:
        """What is minimised: the weighted sum, or what the model makes of its terms."""
        # learnt weights are the model's: they are optimised, saved and restored with it
        balance: nn.Module | None = getattr(self.model, "balance", None)
        weights = self.weights.to(means)
        if balance is None:
            return (weights * means).sum()
        total: Tensor = balance(means, weights)
        return total

    @torch.no_grad()
    def evaluate(
        self, parts: Iterable[Part], each: Callable[[Any, Any], None] | None = None
    ) -> Tensor:
        """Sums of each term over the global batches, (T,) float64.

        Args:
            parts: of this rank.
            each: is given (outputs, part) of every one.
        """
        model = self.evaluated.eval()
        sums = torch.zeros(len(self.task.terms), dtype=torch.float64, device=self.device)
        for part in parts:
            with self.autocast():
                outputs = model(part.batch)
            sums += self.task.loss_sums(outputs, part.batch)
            if each is not None:
                each(outputs, part)
        model.train()
        return global_sum(sums)


def _average(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """The exponential moving average; it forgets the first weights soon (as in TensorFlow)."""
    if decay is None:
        return None

    @torch.no_grad()
    def update(averaged: Weights, current: Weights, steps: Tensor | int) -> None:
        share = 1.0 - min(decay, (1.0 + float(steps)) / (10.0 + float(steps)))
        torch._foreach_lerp_(averaged, current, share)

    return AveragedModel(model, multi_avg_fn=update)


def _distributed(model: nn.Module, task: Task, world: World) -> nn.Module:
    # learnt weights of the loss follow from global sums: their gradient is equal everywhere
    alike = [name for name, _ in model.named_parameters() if name.startswith("balance.")]
    ignore = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
    ignore(model, alike)  # type: ignore[no-untyped-call]
    # statistics of the global batch are equal everywhere; local ones follow rank 0
    options: dict[str, Any] = {BROADCAST: not task.synchronised}
    # Parameters that no output depends on are found once in a static graph. But then DDP orders
    # its buckets anew after the first step, and with it the sums of more than two ranks (of two,
    # order does not matter): a resumed run would differ in the last bits.
    exact = torch.are_deterministic_algorithms_enabled() and world.ranks.world_size > 2
    return DistributedDataParallel(
        model,
        device_ids=None if world.device.type == "cpu" else [world.device],
        process_group=world.gradient_group,
        gradient_as_bucket_view=True,
        static_graph=not exact,
        find_unused_parameters=exact,
        **options,
    )
