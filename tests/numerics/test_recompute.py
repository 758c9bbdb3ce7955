"""Activations computed again in the backward pass: the same gradients from less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hydria.models.registry import ARCHITECTURES
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import make_batch, make_model, make_spec
from tests.support.saved import step


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_are_equal_and_less_is_kept(name: str) -> None:
    model = make_model(make_spec(name, edge_features=False, hidden_dim=32)).train()
    batch = make_batch(make_crystal(2, rattle=0.1), make_cluster(9))
    _, plain, kept = step(model, batch)
    model.recompute = True
    _, again, kept_less = step(model, batch)
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    assert kept_less < kept


@pytest.mark.parametrize("name", ["EGNN", "PAINN", "MACE"])
def test_forces_can_be_trained(name: str) -> None:
    model = make_model(make_spec(name))
    batch = make_batch(make_cluster(5))

    def force_gradients(recompute: bool) -> list[Tensor]:
        model.recompute = recompute
        pos = batch.pos.clone().requires_grad_()
        energy = model(batch.replace(pos=pos))[0].sum()
        (forces,) = torch.autograd.grad(energy, pos, create_graph=True)
        inner = [p for n, p in model.named_parameters() if n.startswith("convs.")]
        return list(torch.autograd.grad(forces.square().sum(), inner, materialize_grads=True))

    for a, b in zip(force_gradients(False), force_gradients(True), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
