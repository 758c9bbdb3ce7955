"""One training run from config to results: what `hydria train` and the library share."""

from __future__ import annotations

import errno
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydria.config.parse import LoadedConfig
from hydria.config.run import RunConfig
from hydria.core import log as logs
from hydria.core.errors import ConfigError, HydriaError, LaunchError, Problem
from hydria.core.files import write_json_atomic
from hydria.runtime import collectives, process_group
from hydria.runtime.determinism import set_deterministic
from hydria.runtime.environment import Environment, read_environment, without_effect
from hydria.runtime.launch import detect_ranks
from hydria.runtime.process_group import World
from hydria.runtime.receipt import make_receipt
from hydria.runtime.status import write_failure, write_status
from hydria.runtime.stop import StopRequest
from hydria.train import checkpoint as checkpoints
from hydria.train import run_folder
from hydria.train.loop import Outcome, Trainer
from hydria.train.records import Observer
from hydria.train.task import Task
from hydria.workloads.base import Progress, Workload
from hydria.workloads.registry import workload_of

log = logging.getLogger(__name__)

Preparing = Callable[[], AbstractContextManager[Progress]]
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
EXIT_FINISHED, EXIT_STOPPED, EXIT_NOTHING_SAVED = 0, 75, 130
# What a lost connection looks like; the ranks behind it failed for a reason of their own.
LOST = ("gloo", "nccl", "connection", "broken pipe")


@contextmanager
def _silently() -> Iterator[Progress]:
    """Tell nobody how far the preparation has come."""
    yield lambda label, done, total: None


@dataclass(frozen=True)
class Request:
    """What to train, and where.

    Attributes:
        loaded: the config.
        run_dir: the run folder, shared by all ranks.
        data_root: where raw data and stores lie.
        resume: go on with the run in the folder; start anew when there is none.
        force: replace the run in the folder.
        workload: instead of the one that the config names.
        world: joined already, and left as it is at the end; else the launcher's ranks are joined.
        adjust: has the last word on the trainer before it begins.
    """

    loaded: LoadedConfig
    run_dir: Path
    data_root: Path
    resume: bool = False
    force: bool = False
    workload: Workload | None = None
    world: World | None = None
    adjust: Callable[[Trainer], None] | None = None

    @property
    def config(self) -> RunConfig:
        return self.loaded.config


@dataclass(frozen=True)
class Result:
    """How a run ended: its outcome, its exit code, and on rank 0 of a finished run, results."""

    outcome: Outcome
    exit_code: int
    results: Mapping[str, Any]


def train(
    request: Request,
    env: Mapping[str, str],
    observers: Sequence[Observer] = (),
    preparing: Preparing = _silently,
) -> Result:
    """Train as one rank of as many as the launcher started.

    Args:
        request: what and where.
        env: the environment, such as `os.environ`.
        observers: told of epochs and batches, on this rank.
        preparing: gives, for the time it takes, who is told how far the preparation of the data
            has come; used on rank 0.

    Raises:
        HydriaError: for what the user can put right; `status.json` says `failed`, unless the
            run folder belongs to another run.
    """
    environment, ranks = read_environment(env), detect_ranks(env)
    request.run_dir.mkdir(parents=True, exist_ok=True)
    world = request.world or process_group.start(ranks, env, environment, request.run_dir)
    collectives.first_rank_does(
        lambda: run_folder.claim(request.run_dir, request.resume, request.force)
    )
    # until the end is written down: launchers send SIGTERM to the ranks that are left
    with StopRequest(request.run_dir) as stop:
        run = _Run(request, world, environment, env, observers, stop)
        try:
            result = run.go(preparing)
        except BaseException as err:
            told = run.failed(err)
            if told is err:
                raise
            raise told from err
    if request.world is None:
        process_group.stop()
    return result


class _Run:
    """The steps of a run on this rank."""

    def __init__(
        self,
        request: Request,
        world: World,
        environment: Environment,
        env: Mapping[str, str],
        observers: Sequence[Observer],
        stop: StopRequest,
    ) -> None:
        self.stop = stop
        self.request, self.world, self.environment = request, world, environment
        self.env, self.observers = env, observers
        self.run_dir, self.config = request.run_dir, request.config
        self.is_first = world.ranks.rank == 0

    def go(self, preparing: Preparing) -> Result:
        level = self.config.verbosity.level
        logs.configure(level, self.world.ranks.rank, self.run_dir / "run.log")
        settings = self.config.neural_network.training
        set_deterministic(settings.deterministic, self.world.device)
        if self.is_first:
            self.stop.clear_left_over()
            write_status(self.run_dir, "running")
        self._write_receipt()
        workload = self.request.workload or workload_of(self.config)
        task = self._open(workload, preparing)
        trainer = Trainer(
            task, settings, self.world, self.run_dir, self.stop, self.environment, self.observers
        )
        self._restore(trainer)
        if self.request.adjust is not None:
            self.request.adjust(trainer)
        outcome = trainer.fit()
        if outcome.state == "stopped":
            return self._stopped(outcome, trainer)
        results = self._test(workload, task, trainer)
        return self._finished(outcome, trainer, results)

    def _write_receipt(self) -> None:
        config = self.config.model_dump(mode="json", by_alias=True)
        receipt = make_receipt(self.world, self.environment, self.env, config)
        if self.is_first:
            write_json_atomic(self.run_dir / "config.json", config)
            write_json_atomic(self.run_dir / "receipt.json", receipt)
            for warning in self.request.loaded.warnings:
                log.warning("%s", warning)
            for name in without_effect(self.env):
                log.warning("%s=%s has no effect on this run", name, self.env[name])

    def _open(self, workload: Workload, preparing: Preparing) -> Task:
        root = self.request.data_root

        def prepare() -> None:
            with preparing() as progress:
                workload.prepare(self.config, root, progress)

        collectives.first_rank_does(prepare)
        task = workload.task(self.config, root, self.world, self.environment)
        if self.is_first:
            for name, content in workload.documents(task).items():
                write_json_atomic(self.run_dir / name, content)
        self._describe(workload, task)
        return task

    def _describe(self, workload: Workload, task: Task) -> None:
        ranks, size = self.world.ranks, task.global_batch_size
        per_rank = -(-size // ranks.world_size)
        parameters = sum(parameter.numel() for parameter in task.model.parameters())
        log.info(
            "%d rank%s (%s, %s): %d %s, %d in all; %d steps an epoch, %s parameters",
            ranks.world_size,
            "s" if ranks.world_size > 1 else "",
            ranks.source,
            f"{self.world.backend} on {self.world.device.type}"
            if self.world.backend
            else self.world.device,
            per_rank,
            workload.batch_size_means,
            size,
            len(task.order(0)),
            f"{parameters:,}",
        )

    # --- where to begin -----------------------------------------------------------------------

    def _restore(self, trainer: Trainer) -> None:
        found = collectives.first_rank_does(self._newest) if self.request.resume else None
        settings = self.config.neural_network.training
        if found is not None:
            trainer.restore(found)
        elif settings.continue_:
            trainer.start_from(collectives.first_rank_does(self._other_run))

    def _newest(self) -> checkpoints.Checkpoint | None:
        found = checkpoints.newest(self.run_dir)
        if found is None:
            log.warning("%s: no checkpoint to resume from; training starts anew", self.run_dir)
        return found

    def _other_run(self) -> checkpoints.Checkpoint:
        name = self.config.neural_network.training.startfrom
        places = [Path(name), self.run_dir.parent / name, Path("runs") / name]
        for place in places:
            found = checkpoints.best(place)
            if found is not None:
                return found
        looked = ", ".join(dict.fromkeys(str(place) for place in places))
        raise ConfigError(
            [
                Problem(
                    "NeuralNetwork.Training.startfrom",
                    f"expected a run folder with a checkpoint, got {name!r} (looked at {looked})",
                    "set Training.continue to 0 to start a new training",
                )
            ]
        )

    # --- how it ends --------------------------------------------------------------------------

    def _test(self, workload: Workload, task: Task, trainer: Trainer) -> dict[str, Any]:
        trainer.load_best()
        results = workload.test(task, trainer, self.run_dir)
        if not self.is_first:
            return {}
        progress = trainer.progress
        results |= {
            "epoch": progress.best_epoch,
            "step": progress.best_step,
            "best_val_loss": trainer.best_loss,
            "seconds": round(progress.elapsed + progress.seconds, 3),
        }
        write_json_atomic(self.run_dir / "results.json", results)
        return results

    def _stopped(self, outcome: Outcome, trainer: Trainer) -> Result:
        code = EXIT_STOPPED if outcome.saved else EXIT_NOTHING_SAVED
        if not outcome.saved:
            reason = f"{outcome.reason}: stopped, but no checkpoint could be written"
            outcome = replace(outcome, state="failed", reason=reason)
        if self.is_first:
            self._write_end(outcome, trainer, code)
        log.info("stopped at step %d (%s)", trainer.progress.step, outcome.reason)
        # a launcher ends the others as soon as the first rank exits with something else than 0
        collectives.barrier()
        return Result(outcome, code, {})

    def _finished(self, outcome: Outcome, trainer: Trainer, results: dict[str, Any]) -> Result:
        if self.is_first:
            self._write_end(outcome, trainer, EXIT_FINISHED)
        if outcome.reason:
            log.info("%s", outcome.reason)
        return Result(outcome, EXIT_FINISHED, results)

    def _write_end(self, outcome: Outcome, trainer: Trainer, code: int) -> None:
        progress = trainer.progress
        self.stop.clear_file()
        write_status(
            self.run_dir,
            outcome.state,
            step=progress.step,
            epoch=progress.epoch,
            reason=outcome.reason,
            exit_code=code,
        )

    def failed(self, err: BaseException) -> BaseException:
        """Write down why, and what to raise: what the user can put right in words for it."""
        if isinstance(err, OSError) and err.errno in FULL:
            err = HydriaError(f"{err.filename}: {err.strerror}. Hint: make room, then --resume")
        if isinstance(err, RuntimeError) and _is_lost_connection(err):
            # the rank that failed first writes its reason before its connections close
            time.sleep(0.2)
            err = LaunchError(
                f"rank {self.world.ranks.rank}: lost the connection to another rank. "
                f"Hint: {self.run_dir / 'status.json'} and run.log tell which failed first"
            )
        if not isinstance(err, collectives.FirstRankError):
            reason, code = _reason(err)
            with suppress(OSError):  # a full disk may be what went wrong
                write_failure(self.run_dir, reason, code, self.world.ranks.rank)
                self._log_failure(err, reason)
        return err

    def _log_failure(self, err: BaseException, reason: str) -> None:
        """Into the file only: whoever called prints what the terminal should show."""
        trace = "" if isinstance(err, HydriaError) else "".join(traceback.format_exception(err))
        with (self.run_dir / "run.log").open("a", encoding="utf-8") as stream:
            stream.write(f"rank {self.world.ranks.rank} failed: {reason}\n{trace}")


def _is_lost_connection(err: RuntimeError) -> bool:
    text = str(err).lower()
    return collectives.is_distributed() and any(mark in text for mark in LOST)


def _reason(err: BaseException) -> tuple[str, int]:
    if isinstance(err, HydriaError):
        return str(err), err.exit_code
    if isinstance(err, KeyboardInterrupt):
        return "interrupted before a checkpoint could be written", EXIT_NOTHING_SAVED
    return f"{type(err).__name__}: {err}", 1
