"""Optimisers and schedules by name, with the parameters of the config."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from pydantic import TypeAdapter

from hydria.config.optimizers import AnyOptimizer, AnyScheduler
from hydria.train.early_stop import EarlyStop
from hydria.train.optim import OPTIMIZERS, build_optimizer, full_state
from hydria.train.schedules import SCHEDULES, build_schedule

OPTIMIZER, SCHEDULER = TypeAdapter(AnyOptimizer), TypeAdapter(AnyScheduler)

# other than the defaults, so that one that is not passed on shows
PARAMETERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.8, "dampening": 0.1, "weight_decay": 0.02},
    "Adam": {"betas": (0.8, 0.98), "eps": 1e-7, "weight_decay": 0.02, "amsgrad": True},
    "AdamW": {"betas": (0.8, 0.98), "eps": 1e-7, "weight_decay": 0.02, "amsgrad": True},
    "Adamax": {"betas": (0.8, 0.98), "eps": 1e-7, "weight_decay": 0.02},
    "Adadelta": {"rho": 0.8, "eps": 1e-5, "weight_decay": 0.02},
    "Adagrad": {"lr_decay": 0.01, "initial_accumulator_value": 0.1, "weight_decay": 0.02},
    "RMSprop": {"alpha": 0.9, "eps": 1e-7, "momentum": 0.5, "centered": True},
}


def names(union: Any) -> set[str]:
    """The `type` of every member of a tagged union."""
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([1.0, -2.0]))


def run(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter) -> None:
    for _ in range(5):
        optimizer.zero_grad()
        weight.pow(4).sum().backward()
        optimizer.step()


def test_every_name_of_the_config_is_there() -> None:
    assert set(OPTIMIZERS) == set(PARAMETERS) == names(AnyOptimizer)
    assert set(SCHEDULES) == names(AnyScheduler)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_optimiser_is_torchs_with_the_same_parameters(name: str) -> None:
    ours, theirs = parameter(), parameter()
    settings = OPTIMIZER.validate_python({"type": name, "learning_rate": 0.03, **PARAMETERS[name]})
    run(build_optimizer([ours], settings), ours)
    run(getattr(torch.optim, name)([theirs], lr=0.03, **PARAMETERS[name]), theirs)
    assert torch.equal(ours, theirs)


def test_frozen_parameters_are_left_out() -> None:
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = build_optimizer([parameter(), frozen], OPTIMIZER.validate_python({}))
    assert len(optimizer.param_groups[0]["params"]) == 1
    assert full_state(optimizer).keys() == {"state", "param_groups"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"type": "StepLR", "step_size": 2, "gamma": 0.1}, [1, 1, 0.1, 0.1, 0.01]),
        ({"type": "ExponentialLR", "gamma": 0.5}, [1, 0.5, 0.25, 0.125, 0.0625]),
        ({"type": "CosineAnnealingLR"}, [1, 0.8535534, 0.5, 0.1464466, 0]),
        ({"type": "CosineAnnealingLR", "T_max": 2, "eta_min": 0.2}, [1, 0.6, 0.2, 0.6, 1]),
        ({"type": "ConstantLR"}, [1, 1, 1, 1, 1]),
        ({"type": "ReduceLROnPlateau", "patience": 1, "min_lr": 0.3}, [1, 1, 1, 0.5, 0.5]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_schedule_gives_the_rates_of_its_formula(
    settings: dict[str, Any], expected: list[float]
) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = build_schedule(optimizer, SCHEDULER.validate_python(settings), epochs=4)
    rates = []
    for _ in expected:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(1.0)
    assert rates == pytest.approx(expected, abs=1e-6)


def test_plateau_has_upstreams_defaults() -> None:
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    state = build_schedule(optimizer, SCHEDULER.validate_python({}), epochs=9).state_dict()
    assert (state["factor"], state["patience"], state["min_lrs"]) == (0.5, 5, [1e-5])


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedule_goes_on_from_its_state(name: str) -> None:
    settings = {"type": name} | {"StepLR": {"step_size": 2}, "ExponentialLR": {"gamma": 0.7}}.get(
        name, {}
    )

    def make() -> tuple[torch.optim.Optimizer, Any]:
        optimizer = torch.optim.SGD([parameter()], lr=1.0)
        return optimizer, build_schedule(optimizer, SCHEDULER.validate_python(settings), epochs=9)

    first, first_schedule = make()
    for _ in range(4):
        first.step()
        first_schedule.step(1.0)
    second, second_schedule = make()
    second.load_state_dict(first.state_dict())
    second_schedule.load_state_dict(first_schedule.state_dict())
    for optimizer, schedule in ((first, first_schedule), (second, second_schedule)):
        for _ in range(4):
            optimizer.step()
            schedule.step(1.0)
    assert first.param_groups[0]["lr"] == second.param_groups[0]["lr"]


def test_early_stop_counts_epochs_without_a_better_loss() -> None:
    stop = EarlyStop(patience=2)
    assert [stop.update(loss) for loss in (3.0, 2.0, 2.0, 1.9, 2.0, 1.95)] == [False] * 5 + [True]
    other = EarlyStop(patience=2)
    other.load_state_dict(stop.state_dict())
    assert other.exhausted
    assert not EarlyStop(None).update(float("inf"))
