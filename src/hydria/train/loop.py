"""The training loop of every workload."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hydria.config.training import Training
from hydria.core.errors import CheckpointError, HydriaError
from hydria.runtime import collectives
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.runtime.status import State, write_status
from hydria.runtime.stop import StopRequest
from hydria.runtime.versions import versions
from hydria.train import checkpoint as checkpoints
from hydria.train.early_stop import EarlyStop
from hydria.train.optim import full_state
from hydria.train.progress import (
    NO_LOSS,
    Progress,
    random_state,
    restore_random_state,
    seed_everything,
)
from hydria.train.records import Observer, Recorder
from hydria.train.step import Stepper
from hydria.train.task import Ids, Stage, Task

log = logging.getLogger(__name__)

# On an accelerator, looking at a loss means waiting for it.
LOOK_EVERY = {"cpu": 1}
LOOK_EVERY_ELSEWHERE = 50
# Without `Checkpoint`, what a killed run can lose at most (at the end of an epoch).
SAFETY_INTERVAL_S = 600.0


@dataclass(frozen=True)
class Outcome:
    """How a training ended, why, and whether its last state is on disk."""

    state: State
    reason: str = ""
    saved: bool = True


class Trainer:
    """Trains a task in a run folder; every rank has one.

    Args:
        task: data, model and loss.
        settings: the `Training` section.
        world: device and process group.
        run_dir: the run folder, shared by all ranks.
        stop: who to ask whether somebody wants an end.
        environment: the honoured variables.
        observers: who else wants to know, on this rank.
    """

    def __init__(
        self,
        task: Task,
        settings: Training,
        world: World,
        run_dir: Path,
        stop: StopRequest,
        environment: Environment,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.task, self.settings, self.world = task, settings, world
        self.run_dir, self.stop, self.observers = run_dir, stop, observers
        self.stepper = Stepper(task, settings, world)
        self.early_stop = EarlyStop(settings.patience if settings.early_stopping else None)
        self.progress = Progress()
        self._validates = environment.valtest
        self._max_batches = environment.max_num_batch
        self._look_every = LOOK_EVERY.get(world.device.type, LOOK_EVERY_ELSEWHERE)
        self._saved_at, self._saved_step = time.monotonic(), -1
        # the same model everywhere; from here on each rank draws its own numbers
        seed_everything(settings.seed + world.ranks.rank)

    @property
    def best_loss(self) -> float | None:
        """Validation loss of the best checkpoint; None when none was chosen by it."""
        return self.progress.best_loss if math.isfinite(self.progress.best_loss) else None

    @property
    def is_first(self) -> bool:
        return self.world.ranks.rank == 0

    # --- the loop -----------------------------------------------------------------------------

    def fit(self) -> Outcome:
        """Train until the last epoch, early stopping or a request to stop.

        Raises:
            HydriaError: when the loss stops being a number.
            CheckpointError: when the final state could not be saved.
        """
        recorder = Recorder(self.run_dir, self.progress.epoch) if self.is_first else None
        try:
            outcome = self._epochs(recorder)
        finally:
            if recorder is not None:
                recorder.close()
        return outcome

    def _epochs(self, recorder: Recorder | None) -> Outcome:
        reason = self._early_reason(self.early_stop.exhausted)
        while self.progress.epoch < self.settings.num_epoch and not reason:
            self._write_running()
            stopped = self._train_epoch()
            if stopped:
                return Outcome("stopped", stopped, saved=self.save())
            record = self._end_epoch()
            if recorder is not None:
                recorder.write(record)
            reason = self._after_epoch(record)
            stopped = self._stop_reason(self._any_stop())
            if stopped and not reason and self.progress.epoch < self.settings.num_epoch:
                return Outcome("stopped", stopped, saved=self.save())
        self._save_final()
        return Outcome("finished", reason)

    def _train_epoch(self) -> str:
        """Train what is left of the epoch; the reason when somebody wants a stop before its end."""
        progress = self.progress
        batches = self.task.order(progress.epoch)[: self._max_batches]
        if progress.batch == 0:
            self._begin_stage()
            progress.begin_epoch(progress.epoch, len(self.task.terms), self.world.device)
        for observer in self.observers:
            observer.epoch_started(progress.epoch, progress.batch, len(batches))
        started, before = time.monotonic(), progress.seconds
        todo = batches[progress.batch :]
        for ids, part in zip(todo, self.task.batches(todo), strict=True):
            pending = collectives.PendingAny(self.stop.requested())
            self._train_step(ids, part.batch)
            progress.seconds = before + time.monotonic() - started
            if pending.result() and progress.batch < len(batches):
                self._check_finite()
                return self._stop_reason(True)
        self._check_finite()
        return ""

    def _begin_stage(self) -> None:
        """In the first epoch of a stage: its losses cannot be compared with those before it."""
        stage = next((s for s in self.task.stages if s.epoch == self.progress.epoch), None)
        if stage is None:
            return
        self.stepper.begin(stage)
        self.early_stop.reset()
        self.progress.best_loss = NO_LOSS
        log.info("epoch %d: the loss has other weights from here on", stage.epoch)

    def _train_step(self, ids: Ids, batch: Any) -> None:
        progress = self.progress
        counts = self.task.counts(ids)
        sums = self.stepper.train(batch, counts)
        progress.sums += sums
        progress.counts += counts
        progress.samples += len(ids)
        progress.batch += 1
        progress.step += 1
        if progress.step % self._look_every == 0:
            self._check_finite()
        for observer in self.observers:
            observer.batch_done()

    def _end_epoch(self) -> dict[str, Any]:
        """Validate, step the schedule and describe the epoch."""
        progress = self.progress
        started = time.monotonic()
        train = self._losses(progress.sums, progress.counts)
        validation = self.evaluate("validate") if self._validates else None
        rate = self.stepper.optimizer.param_groups[0]["lr"]
        seconds = progress.seconds + time.monotonic() - started
        samples_per_s = progress.samples / max(progress.seconds, 1e-9)
        progress.seconds = seconds
        return {
            "epoch": progress.epoch,
            "train_loss": self.total(train),
            "val_loss": None if validation is None else self.total(validation),
            "lr": rate,
            "seconds": round(seconds, 6),
            "samples_per_s": round(samples_per_s, 3),
            "step": progress.step,
            "train_losses": self._by_term(train),
            "val_losses": {} if validation is None else self._by_term(validation),
        }

    def _after_epoch(self, record: dict[str, Any]) -> str:
        """Go on to the next epoch, save when due; the reason when training should end early."""
        loss = record["train_loss"] if record["val_loss"] is None else record["val_loss"]
        self._require_finite(loss, "validation loss")
        self._report(record)
        self.stepper.schedule.step(loss)
        exhausted = self.early_stop.update(loss)
        self.progress.epoch, self.progress.batch = record["epoch"] + 1, 0
        self._save_if_due(record["epoch"], loss)
        return self._early_reason(exhausted)

    def _early_reason(self, exhausted: bool) -> str:
        if not exhausted:
            return ""
        return f"early stop: no better loss for {self.settings.patience} epochs"

    def _report(self, record: dict[str, Any]) -> None:
        validation = record["val_loss"]
        log.info(
            "epoch %3d  train %.3e  val %s  lr %.2e  %6.2f s  %.0f samples/s",
            record["epoch"],
            record["train_loss"],
            "-" if validation is None else f"{validation:.3e}",
            record["lr"],
            record["seconds"],
            record["samples_per_s"],
        )
        for observer in self.observers:
            observer.epoch_ended(record)

    def _write_running(self) -> None:
        if not self.is_first:
            return
        progress = self.progress
        try:
            write_status(self.run_dir, "running", step=progress.step, epoch=progress.epoch)
        except OSError as err:
            log.warning("%s: status not written: %s", self.run_dir, err.strerror)

    # --- stopping -----------------------------------------------------------------------------

    def _any_stop(self) -> bool:
        return collectives.any_rank(self.stop.requested())

    def _stop_reason(self, stop: bool) -> str:
        """The reason of the first rank that has one; every rank must call it when `stop`."""
        if not stop:
            return ""
        reasons = collectives.gather_objects(self.stop.reason)
        return next((reason for reason in reasons if reason), "stop requested")

    # --- losses -------------------------------------------------------------------------------

    def evaluate(self, split: str, each: Callable[[Any, Any], None] | None = None) -> list[float]:
        """Losses of each term over a whole split, the same on every rank.

        Args:
            split: train, validate or test.
            each: is given (outputs, part) of every part of this rank.
        """
        batches = self.task.fixed(split)[: self._max_batches]
        counts = sum((self.task.counts(ids) for ids in batches), torch.zeros(len(self.task.terms)))
        return self._losses(self.stepper.evaluate(self.task.batches(batches), each), counts)

    def total(self, losses: list[float]) -> float:
        """The weighted sum of the losses of all terms."""
        return float(torch.dot(self.stepper.weights.double(), torch.tensor(losses).double()))

    def _losses(self, sums: Tensor, counts: Tensor) -> list[float]:
        losses: list[float] = self.task.finish(sums.cpu().double() / counts.double()).tolist()
        return losses

    def _by_term(self, losses: list[float]) -> dict[str, float]:
        return dict(zip(self.task.terms, losses, strict=True))

    def _check_finite(self) -> None:
        """Raise when a loss of this epoch was not a number; sums keep it until somebody looks."""
        for name, value in zip(self.task.terms, self.progress.sums.tolist(), strict=True):
            self._require_finite(value, f"loss of {name!r}")

    def _require_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise HydriaError(
                f"epoch {self.progress.epoch}, step {self.progress.step}: expected a finite "
                f"{what}, got {value}. Hint: lower Training.Optimizer.learning_rate, set "
                "Training.clip_grad_norm, or look for outliers in the data; the last checkpoint "
                "is from before"
            )

    # --- checkpoints --------------------------------------------------------------------------

    def _save_if_due(self, epoch: int, loss: float) -> None:
        settings, progress = self.settings, self.progress
        if settings.checkpoint and epoch >= settings.checkpoint_warmup:
            if loss < progress.best_loss:
                previous = progress.best_loss, progress.best_epoch, progress.best_step
                progress.best_loss, progress.best_epoch = loss, epoch
                progress.best_step = progress.step
                if not self.save(best=True):
                    progress.best_loss, progress.best_epoch, progress.best_step = previous
            else:
                self.save()
        elif collectives.any_rank(time.monotonic() - self._saved_at > SAFETY_INTERVAL_S):
            self.save()

    def _save_final(self) -> None:
        """Make sure that the last state is on disk, and that one checkpoint counts as the best."""
        progress = self.progress
        first = progress.best_step < 0
        if first:
            progress.best_epoch, progress.best_step = progress.epoch - 1, progress.step
        if (first or self._saved_step != progress.step) and not self.save(best=first):
            raise CheckpointError(
                f"{self.run_dir / checkpoints.FOLDER}: training is done, but its final state "
                "could not be saved (see above). Hint: free some space and use --resume"
            )

    def save(self, best: bool = False) -> bool:
        """Write a checkpoint; every rank must call it.

        Returns:
            Whether it was written. When not, a warning says why and training can go on.
        """
        state = self._state()
        problem = ""
        if self.is_first:
            try:
                checkpoints.save(self.run_dir, self.progress.step, state, self._facts(best))
                checkpoints.prune(self.run_dir, self.settings.checkpoint_keep)
            except CheckpointError as err:
                problem = str(err)
        problem = collectives.broadcast_object(problem)
        if problem:
            log.warning("%s", problem)
            return False
        self._saved_at, self._saved_step = time.monotonic(), self.progress.step
        return True

    def _facts(self, best: bool) -> dict[str, Any]:
        return {
            "epoch": self.progress.epoch,
            "batch": self.progress.batch,
            "best": best,
            "best_loss": self.best_loss,
            "versions": versions(),
        }

    def _state(self) -> dict[str, Any]:
        return {
            **self.stepper.state_dict(),
            "optimizer": full_state(self.stepper.optimizer),
            "schedule": self.stepper.schedule.state_dict(),
            "early_stop": self.early_stop.state_dict(),
            "progress": self.progress.state_dict(),
            "random": collectives.gather_objects(random_state(self.world.device)),
            "facts": dict(self.task.facts),
            "seed": self.settings.seed,
            "global_batch_size": self.task.global_batch_size,
        }

    def restore(self, found: checkpoints.Checkpoint) -> None:
        """Go on from a checkpoint exactly as if training had never stopped.

        Raises:
            CheckpointError: when it belongs to another model.
        """
        state = checkpoints.load(found)
        self._check_facts(found, state["facts"])
        self.stepper.load_state_dict(state)
        self.stepper.optimizer.load_state_dict(state["optimizer"])
        self.stepper.schedule.load_state_dict(state["schedule"])
        self.early_stop.load_state_dict(state["early_stop"])
        self.progress = Progress.from_state(state["progress"], self.world.device)
        self._adjust_position(state)
        begun = [stage for stage in self.task.stages if self._has_begun(stage)]
        self.stepper.weights = begun[-1].weights if begun else self.task.weights
        self._saved_step = found.step
        rank = self.world.ranks.rank
        if rank < len(state["random"]):
            restore_random_state(state["random"][rank], self.world.device)
        log.info("resumed from %s (epoch %d, step %d)", found.path, self.progress.epoch, found.step)

    def _has_begun(self, stage: Stage) -> bool:
        progress = self.progress
        return stage.epoch < progress.epoch or (
            stage.epoch == progress.epoch and progress.batch > 0
        )

    def _check_facts(self, found: checkpoints.Checkpoint, facts: dict[str, Any]) -> None:
        now = dict(self.task.facts)
        if facts != now:
            changed = sorted(key for key in facts | now if facts.get(key) != now.get(key))
            raise CheckpointError(
                f"{found.path}: expected the model of this config, got one that differs in "
                f"{', '.join(changed)}. Hint: use another --run-dir for the changed config"
            )

    def _adjust_position(self, state: dict[str, Any]) -> None:
        """Keep the samples done when steps have another size now."""
        before, now = state["global_batch_size"], self.task.global_batch_size
        if before == now or self.progress.batch == 0:
            return
        self.progress.batch = self.progress.batch * before // now
        log.warning(
            "global batches had %d samples and now have %d: the epoch goes on at batch %d",
            before,
            now,
            self.progress.batch,
        )

    def start_from(self, found: checkpoints.Checkpoint) -> None:
        """Take the weights of another run and begin at epoch 0 (`continue`).

        The state of its optimiser comes along where it is of the same kind and trained the same
        parameters: not with others frozen, nor from a converted checkpoint, which has none.
        """
        state = checkpoints.load(found)
        self._check_facts(found, state["facts"])
        self.stepper.load_state_dict(state)
        optimizer, saved = self.stepper.optimizer, state.get("optimizer")
        if saved and _kinds(saved["param_groups"]) == _kinds(optimizer.param_groups):
            optimizer.load_state_dict(saved)
            log.info("weights and optimiser from %s", found.path)
        else:
            log.info("weights from %s; the optimiser starts anew", found.path)

    def load_best(self) -> None:
        """Put the weights of the best checkpoint into the model."""
        found = collectives.broadcast_object(
            checkpoints.best(self.run_dir) if self.is_first else None
        )
        if found is None:
            raise CheckpointError(f"{self.run_dir}: expected a checkpoint, got none that is whole")
        self.stepper.evaluated.load_state_dict(checkpoints.load(found)["model"])


def _kinds(groups: Sequence[Mapping[str, Any]]) -> list[tuple[set[str], int]]:
    """Of each group of an optimiser, its settings and the number of its parameters."""
    return [(set(group) - {"initial_lr"}, len(group["params"])) for group in groups]
