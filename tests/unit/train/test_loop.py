"""The loop on a task so small that whole trainings take no time."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from hydria.core.errors import CheckpointError, HydriaError
from hydria.runtime.environment import Environment
from hydria.runtime.status import read_status
from hydria.train import checkpoint as checkpoints
from hydria.train.loop import Outcome
from tests.support.training import losses, make_trainer
from tests.unit.train.test_checkpoint import largest_file

STEPS = 5  # of an epoch: 37 samples in batches of 8


def resume(run_dir: Path, **settings: Any) -> Any:
    trainer = make_trainer(run_dir, **settings)
    found = checkpoints.newest(run_dir)
    assert found is not None
    trainer.restore(found)
    return trainer


def saved_steps(run_dir: Path) -> list[int]:
    return [found.step for found in checkpoints.newest_first(run_dir)]


# --- the course of a training -------------------------------------------------------------------


def test_loss_falls_and_every_epoch_is_recorded(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, num_epoch=12, optimizer={"learning_rate": 0.02})
    assert trainer.fit() == Outcome("finished")
    course = losses(tmp_path)
    assert len(course) == 12
    assert course[-1][0] < 0.5 * course[0][0]
    record = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[3])
    assert record["epoch"] == 3
    assert record["step"] == 4 * STEPS
    for split in ("train", "val"):
        terms = record[f"{split}_losses"]
        expected = 0.75 * terms["first"] + 0.25 * terms["second"]
        assert record[f"{split}_loss"] == pytest.approx(expected, rel=1e-6)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_step_is_that_of_plain_torch(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, clip_grad_norm=0.05, optimizer={"type": "SGD"})
    twin = make_trainer(tmp_path)
    ids = trainer.task.order(0)[0]
    part = next(iter(trainer.task.batches([ids])))
    sums = trainer.stepper.train(part.batch, trainer.task.counts(ids))
    model = twin.stepper.model
    out = model(part.batch)
    error = (out - part.batch.targets).square().mean(0)
    (error @ torch.tensor([0.75, 0.25])).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    torch.testing.assert_close(sums / len(ids), error)
    for ours, theirs in zip(trainer.stepper.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


def test_validation_loss_does_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    values = [
        make_trainer(tmp_path, task={"batch": batch}, precision="fp64").evaluate("validate")
        for batch in (1, 5, 12)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    assert values[0] == pytest.approx(values[2], rel=1e-12)


@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16"])
def test_every_precision_trains(tmp_path: Path, precision: str) -> None:
    trainer = make_trainer(tmp_path, precision=precision, optimizer={"learning_rate": 0.02})
    trainer.fit()
    dtype = torch.float64 if precision == "fp64" else torch.float32
    assert {parameter.dtype for parameter in trainer.stepper.model.parameters()} == {dtype}
    course = losses(tmp_path)
    assert course[-1][0] < course[0][0]


def test_early_stop_ends_the_training(tmp_path: Path) -> None:
    settings = {"early_stopping": True, "patience": 2, "optimizer": {"learning_rate": 1e-30}}
    outcome = make_trainer(tmp_path, num_epoch=20, **settings).fit()
    assert outcome == Outcome("finished", "early stop: no better loss for 2 epochs")
    assert len(losses(tmp_path)) == 3
    assert resume(tmp_path, num_epoch=20, **settings).fit() == outcome
    assert len(losses(tmp_path)) == 3


def test_plateau_lowers_the_rate(tmp_path: Path) -> None:
    trainer = make_trainer(
        tmp_path,
        num_epoch=4,
        scheduler={"patience": 0, "factor": 0.1},
        optimizer={"learning_rate": 1e-20},
    )
    trainer.stepper.optimizer.param_groups[0]["lr"] = 1e-3
    trainer.stepper.schedule.step(0.0)  # no loss will be better than this one
    trainer.fit()
    assert [rate for *_, rate in losses(tmp_path)] == pytest.approx([1e-3, 1e-4, 1e-5, 1e-5])


def test_hydragnn_variables_limit_an_epoch(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, environment=Environment(max_num_batch=2, valtest=False))
    trainer.fit()
    assert trainer.progress.step == 3 * 2
    assert [validation for _, validation, _ in losses(tmp_path)] == [None] * 3


class Watcher:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def epoch_started(self, epoch: int, first_batch: int, batches: int) -> None:
        self.seen.append(f"{epoch}: {first_batch}/{batches}")

    def batch_done(self) -> None:
        self.seen.append(".")

    def epoch_ended(self, record: Mapping[str, Any]) -> None:
        self.seen.append(f"end {record['epoch']}")


def test_observers_are_told(tmp_path: Path) -> None:
    watcher = Watcher()
    make_trainer(tmp_path, num_epoch=2, observers=[watcher]).fit()
    assert watcher.seen == ["0: 0/5", *".....", "end 0", "1: 0/5", *".....", "end 1"]


# --- stopping and resuming ----------------------------------------------------------------------


@pytest.mark.parametrize("stop_after", [0, 2, 5, 8, 12], ids=lambda steps: f"after {steps}")
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, stop_after: int
) -> None:
    settings = {
        "num_epoch": 4,
        "task": {"dropout": 0.3},
        "scheduler": {"type": "ExponentialLR", "gamma": 0.8},
        "clip_grad_norm": 1.0,
    }
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    one = make_trainer(whole, **settings)
    one.fit()
    outcome = make_trainer(parted, stop_after=stop_after, **settings).fit()
    assert (outcome.state, outcome.reason, outcome.saved) == ("stopped", "SIGTERM", True)
    two = resume(parted, **settings)
    assert two.fit() == Outcome("finished")
    assert losses(parted) == losses(whole)
    for ours, theirs in zip(
        one.stepper.model.state_dict().values(),
        two.stepper.model.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert one.progress.best_loss == two.progress.best_loss


def test_stop_is_obeyed_at_the_next_step(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, stop_after=2)
    trainer.fit()
    assert trainer.progress.step == 3
    assert (trainer.progress.epoch, trainer.progress.batch) == (0, 3)
    assert saved_steps(tmp_path) == [3]


def test_run_killed_after_its_last_checkpoint_drops_what_it_lost(tmp_path: Path) -> None:
    make_trainer(tmp_path, num_epoch=4).fit()
    course = losses(tmp_path)
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    (newest.path / "state.pt").write_bytes(b"torn")
    trainer = resume(tmp_path, num_epoch=4)
    assert trainer.progress.epoch == 3
    trainer.fit()
    assert losses(tmp_path) == course


def test_more_epochs_go_on_from_the_end(tmp_path: Path) -> None:
    make_trainer(tmp_path, num_epoch=2, scheduler={"type": "ConstantLR"}).fit()
    resume(tmp_path, num_epoch=4, scheduler={"type": "ConstantLR"}).fit()
    make_trainer(tmp_path / "at once", num_epoch=4, scheduler={"type": "ConstantLR"}).fit()
    assert losses(tmp_path) == losses(tmp_path / "at once")


def test_steps_of_another_size_keep_the_samples_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(tmp_path, stop_after=2).fit()  # 3 batches of 8
    with caplog.at_level(logging.WARNING, logger="hydria"):
        trainer = resume(tmp_path, task={"batch": 4})
    assert trainer.progress.batch == 6
    assert "global batches had 8 samples and now have 4" in caplog.text


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    make_trainer(tmp_path, num_epoch=1).fit()
    trainer = make_trainer(tmp_path)
    trainer.task.facts = {"kind": "toy", "loss": "any", "width": 9}
    found = checkpoints.newest(tmp_path)
    assert found is not None
    with pytest.raises(CheckpointError, match="differs in width"):
        trainer.restore(found)


def test_continue_takes_weights_and_optimiser_to_epoch_0(tmp_path: Path) -> None:
    first = make_trainer(tmp_path / "first", num_epoch=2)
    first.fit()
    second = make_trainer(tmp_path / "second")
    found = checkpoints.best(tmp_path / "first")
    assert found is not None
    second.start_from(found)
    assert second.progress.epoch == 0
    assert second.stepper.optimizer.state_dict()["state"]
    pairs = zip(first.stepper.model.parameters(), second.stepper.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("lacks", ["state", "parameters"])
def test_continue_takes_weights_alone_where_the_optimiser_is_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lacks: str
) -> None:
    first = make_trainer(tmp_path / "first", num_epoch=1)
    first.fit()
    found = checkpoints.best(tmp_path / "first")
    assert found is not None
    second = make_trainer(tmp_path / "second")
    if lacks == "state":  # as a converted checkpoint does
        state = checkpoints.load(found)
        state.pop("optimizer")
        checkpoints.save(tmp_path / "converted", 0, state, {"best": True, "best_loss": None})
        found = checkpoints.best(tmp_path / "converted")
        assert found is not None
    else:  # as with others frozen
        second.stepper.optimizer.param_groups[0]["params"].pop()
    with caplog.at_level(logging.INFO, logger="hydria"):
        second.start_from(found)
    assert "the optimiser starts anew" in caplog.text
    assert not second.stepper.optimizer.state_dict()["state"]
    pairs = zip(first.stepper.model.parameters(), second.stepper.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_status_follows_the_training(tmp_path: Path) -> None:
    make_trainer(tmp_path, stop_after=STEPS + 1).fit()
    status = read_status(tmp_path)
    assert status is not None
    assert (status.state, status.epoch, status.step) == ("running", 1, STEPS)


# --- which checkpoints there are ----------------------------------------------------------------


def test_newest_and_best_are_kept(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, num_epoch=6, checkpoint_keep=2)
    trainer.fit()
    assert saved_steps(tmp_path)[:2] == [30, 25]
    best = checkpoints.best(tmp_path)
    assert best is not None
    assert best.step == trainer.progress.best_step
    validation = [value for _, value, _ in losses(tmp_path)]
    assert best.manifest["best_loss"] == min(validation)


def test_best_weights_are_loaded_for_the_test(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, num_epoch=3, optimizer={"learning_rate": 0.05})
    trainer.fit()
    trainer.load_best()
    best = min(validation for _, validation, _ in losses(tmp_path))
    assert trainer.total(trainer.evaluate("validate")) == pytest.approx(best, rel=1e-6)


def test_warm_up_delays_the_first_checkpoint(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, num_epoch=4, checkpoint_warmup=2, checkpoint_keep=9)
    trainer.fit()
    assert saved_steps(tmp_path) == [20, 15]
    assert trainer.progress.best_epoch >= 2


def test_without_checkpoint_only_the_end_is_saved(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, checkpoint=False)
    trainer.fit()
    assert saved_steps(tmp_path) == [3 * STEPS]
    best = checkpoints.best(tmp_path)
    assert best is not None
    assert best.is_best
    assert trainer.best_loss is None
    assert trainer.progress.best_epoch == 2


# --- what goes wrong ----------------------------------------------------------------------------


def test_infinite_loss_is_named_and_nothing_of_it_saved(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, num_epoch=4, task={"poison": 2})
    with pytest.raises(HydriaError) as caught:
        trainer.fit()
    assert "epoch 2, step 11: expected a finite loss of 'first', got inf" in str(caught.value)
    assert "learning_rate" in str(caught.value)
    assert saved_steps(tmp_path) == [2 * STEPS, STEPS]


def test_full_disk_while_training_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(tmp_path, num_epoch=1).fit()
    trainer = resume(tmp_path, num_epoch=3)
    with largest_file(2048), caplog.at_level(logging.WARNING, logger="hydria"):
        assert not trainer.save()
    assert "step-00000005) stays usable" in caplog.text
    assert trainer.fit() == Outcome("finished")
    assert saved_steps(tmp_path) == [15, 10, 5]


def test_full_disk_at_the_end_is_an_error(tmp_path: Path) -> None:
    make_trainer(tmp_path, num_epoch=1).fit()
    trainer = resume(tmp_path, num_epoch=2)
    with largest_file(2048), pytest.raises(CheckpointError, match="could not be saved"):
        trainer.fit()
    assert saved_steps(tmp_path) == [5]
    assert resume(tmp_path, num_epoch=2).fit() == Outcome("finished")


def test_stop_without_room_for_a_checkpoint_says_so(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, stop_after=1)
    with largest_file(2048):
        outcome = trainer.fit()
    assert outcome == Outcome("stopped", "SIGTERM", saved=False)
