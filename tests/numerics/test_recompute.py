"""Activations computed again in the backward pass: the same gradients from less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hydria.graph.batch import GraphBatch
from hydria.models.registry import ARCHITECTURES
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import make_batch, make_model, make_spec


def step(model: nn.Module, batch: GraphBatch) -> tuple[list[Tensor], int]:
    """Gradients, and bytes that the forward pass keeps for them."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(0)
    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = sum(output.square().sum() for output in model(batch))
    loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters()], sum(kept.values())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_are_equal_and_less_is_kept(name: str) -> None:
    model = make_model(make_spec(name, edge_features=False, hidden_dim=32)).train()
    batch = make_batch(make_crystal(2, rattle=0.1), make_cluster(9))
    plain, kept = step(model, batch)
    model.recompute = True
    again, kept_less = step(model, batch)
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
