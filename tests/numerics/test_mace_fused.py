"""cuEquivariance gives what our own sums give, with the same weights, and its derivatives."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch
from torch import Tensor

from hydria.core.errors import ModelError
from hydria.models import build_model
from hydria.models.mace.conv import Messages, Sizes, Surroundings
from hydria.models.mace.fused import FusedMessages, FusedProductBasis
from hydria.models.mace.product import ProductBasis
from hydria.models.mace.radial import RadialEmbedding
from hydria.nn.edges import Edges
from tests.support.graphs import make_cluster
from tests.support.models import CUTOFF, make_batch, make_spec

CHANNELS = 2


def gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """First derivatives of a function of the output, and second ones along them."""
    first = torch.autograd.grad(output.square().sum(), inputs, create_graph=True)
    total = sum(gradient.square().sum() for gradient in first)
    return [*first, *torch.autograd.grad(total, inputs)]


def compare(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    pairs = zip([ours, *gradients(ours, inputs)], [theirs, *gradients(theirs, inputs)], strict=True)
    for first, second in pairs:
        assert float(first.detach().abs().max()) > 1e-6
        scale = float(first.detach().abs().max().clamp_min(1.0))
        assert float((first - second).detach().abs().max()) < 1e-11 * scale


@pytest.mark.parametrize(("lmax", "out_lmax", "correlation"), [(2, 1, 2), (1, 0, 3)])
def test_products_are_equal(lmax: int, out_lmax: int, correlation: int) -> None:
    torch.manual_seed(0)
    ours = ProductBasis(lmax, out_lmax, correlation, CHANNELS).double()
    fused = FusedProductBasis(lmax, out_lmax, correlation, CHANNELS).double()
    fused.load_state_dict(ours.state_dict())
    features = torch.randn(5, (lmax + 1) ** 2, CHANNELS, dtype=torch.float64, requires_grad=True)
    elements = torch.tensor([0, 7, 7, 117, 28])
    compare(ours(features, elements), fused(features, elements), [features])


@pytest.mark.parametrize("edge_dim", [0, 1])
def test_messages_are_equal(edge_dim: int) -> None:
    torch.manual_seed(0)
    sizes = Sizes(
        in_dim=CHANNELS,
        hidden_dim=3,
        out_dim=CHANNELS,
        in_lmax=1,
        out_lmax=1,
        edge_lmax=2,
        num_radial=4,
        edge_dim=edge_dim,
    )
    ours, fused = (kind(sizes, 7.0).double() for kind in (Messages, FusedMessages))
    fused.load_state_dict(ours.state_dict())
    batch = make_batch(make_cluster(6))
    edges = Edges.of(batch, torch.float64)
    options = make_spec("MACE", num_radial=4).architecture
    features = torch.randn(6, 4, CHANNELS, dtype=torch.float64, requires_grad=True)
    elements = torch.tensor([0, 5, 5, 60, 7, 0])
    pos = batch.pos.requires_grad_()

    def outputs(messages: Messages) -> Tensor:
        around = Surroundings(edges, pos, 2, RadialEmbedding(options, CUTOFF))
        return messages(features, elements, edges, around)

    compare(outputs(ours), outputs(fused), [features, pos])


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **others: Any) -> Any:
        if name.startswith("cuequivariance"):
            raise ImportError(name)
        return real(name, *rest, **others)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ModelError, match=r"enable_cueq: .*hydria\[cuequivariance\]"):
        build_model(make_spec("MACE", enable_cueq=True))
