"""Learnt weights of losses."""

from __future__ import annotations

import torch

from hydria.nn.uncertainty import UncertaintyWeighting

LOSSES = torch.tensor([0.5, 0.01, 4.0])
WEIGHTS = torch.tensor([0.2, 0.3, 0.5])


def test_the_sum_is_the_plain_one_at_first() -> None:
    total = UncertaintyWeighting(3)(LOSSES, WEIGHTS)
    torch.testing.assert_close(total, (WEIGHTS * LOSSES).sum())


def test_the_variance_of_a_loss_is_the_loss_where_the_sum_is_smallest() -> None:
    layer = UncertaintyWeighting(3)
    with torch.no_grad():
        layer.log_variances.copy_(LOSSES.log())
    layer(LOSSES, WEIGHTS).backward()
    torch.testing.assert_close(layer.log_variances.grad, torch.zeros(3))
    smallest = layer(LOSSES, WEIGHTS)
    with torch.no_grad():
        layer.log_variances.add_(torch.tensor([0.1, -0.1, 0.2]))
    assert layer(LOSSES, WEIGHTS) > smallest


def test_a_noisy_loss_weighs_less() -> None:
    layer = UncertaintyWeighting(3)
    with torch.no_grad():
        layer.log_variances.copy_(LOSSES.log())
    losses = LOSSES.clone().requires_grad_()
    layer(losses, torch.ones(3)).backward()
    torch.testing.assert_close(losses.grad, 1 / LOSSES)
