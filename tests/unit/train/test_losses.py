"""Losses by name against torch's own means."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hydria.config.training import LOSSES as NAMES
from hydria.config.training import Training
from hydria.core.errors import HydriaError
from hydria.train.losses import LOSSES, build_loss

OUT = torch.tensor([[0.1, -2.0], [3.0, 0.4], [0.0, 1.7]], dtype=torch.float64)
TARGET = torch.tensor([[0.0, 1.0], [0.5, 0.4], [0.2, -1.0]], dtype=torch.float64)

ORACLES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": nn.MSELoss(),
    "mae": nn.L1Loss(),
    "rmse": lambda out, target: nn.MSELoss()(out, target).sqrt(),
    "huber": nn.HuberLoss(delta=0.7),
    "smooth_l1": nn.SmoothL1Loss(beta=0.7),
}


def settings(name: str, delta: float = 0.7) -> Training:
    return Training(loss_function_type=name, huber_delta=delta)  # type: ignore[arg-type]


def test_every_loss_of_the_config_is_there() -> None:
    assert set(LOSSES) == set(NAMES) == set(ORACLES) | {"GaussianNLLLoss"}


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_sum_over_parts_gives_the_mean_of_the_whole(name: str) -> None:
    loss = build_loss(settings(name))
    parts = [(OUT[:1], TARGET[:1]), (OUT[1:], TARGET[1:]), (OUT[:0], TARGET[:0])]
    total = sum((loss.local_sum(out, target) for out, target in parts), torch.tensor(0.0))
    mean = loss.finish(total / TARGET.numel())
    torch.testing.assert_close(mean, ORACLES[name](OUT, TARGET), rtol=1e-12, atol=0)


def test_gaussian_likelihood_is_that_of_torch() -> None:
    loss = build_loss(settings("GaussianNLLLoss"))
    sigma = torch.tensor([[0.5, -2.0], [1e-9, 0.3], [1.0, 4.0]], dtype=torch.float64)
    total = loss.local_sum(torch.cat([OUT, sigma], 1), TARGET)
    expected = nn.GaussianNLLLoss()(OUT, TARGET, sigma**2)
    torch.testing.assert_close(total / TARGET.numel(), expected, rtol=1e-12, atol=0)
    assert loss.widening == 2


def test_root_of_a_perfect_fit_has_a_finite_gradient() -> None:
    loss = build_loss(settings("rmse"))
    out = TARGET.clone().requires_grad_()
    loss.finish(loss.local_sum(out, TARGET) / TARGET.numel()).backward()
    assert torch.equal(out.grad, torch.zeros_like(out))


def test_an_empty_part_takes_part_in_the_gradient() -> None:
    out = torch.empty(0, 2, requires_grad=True)
    total = build_loss(settings("mse")).local_sum(out, torch.empty(0, 2))
    assert total.item() == 0
    assert total.requires_grad


def test_unknown_loss_names_the_nearest() -> None:
    wrong = Training.model_construct(loss_function_type="hubber", huber_delta=1.0)
    with pytest.raises(HydriaError, match=r"got 'hubber'.*did you mean 'huber'"):
        build_loss(wrong)
