"""Activations, dense layers, bases and edges."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from hydria.config.architectures.base import Activation
from hydria.core.errors import ModelError
from hydria.nn.activations import ACTIVATIONS, activation
from hydria.nn.cutoffs import cosine_cutoff, polynomial_cutoff
from hydria.nn.edges import Edges
from hydria.nn.mlp import EdgeLinear, StackedLinear, mlp
from hydria.nn.radial import BesselBasis, GaussianBasis

AT_MINUS_TWO = {
    "relu": 0.0,
    "silu": -2 / (1 + math.e**2),
    "selu": 1.0507009873554805 * 1.6732632423543772 * (math.exp(-2) - 1),
    "prelu": -0.5,
    "elu": math.exp(-2) - 1,
    "lrelu_01": -0.2,
    "lrelu_025": -0.5,
    "lrelu_05": -1.0,
    "sigmoid": 1 / (1 + math.e**2),
}


@pytest.mark.parametrize("name", get_args(Activation))
def test_activation_of_each_config_name(name: str) -> None:
    value = activation(name)(torch.tensor([-2.0])).item()
    assert value == pytest.approx(AT_MINUS_TWO[name], abs=1e-6)


def test_activation_unknown_is_refused() -> None:
    assert set(ACTIVATIONS) == set(get_args(Activation))
    with pytest.raises(ModelError, match="got 'tanhh'"):
        activation("tanhh")


def test_mlp_activates_between_layers_and_at_the_end_if_asked() -> None:
    relu = torch.nn.ReLU()
    assert [type(layer).__name__ for layer in mlp([2, 3, 1], relu)] == ["Linear", "ReLU", "Linear"]
    assert mlp([2, 3, 1], relu, activate_last=True)[-1] is relu


@pytest.mark.parametrize("edge_dim", [0, 2])
def test_edge_linear_equals_the_layer_over_the_joined_row(edge_dim: int) -> None:
    layer = EdgeLinear(3, edge_dim, 4).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    edge_index = torch.tensor([[4, 0, 1, 1], [0, 2, 2, 3]])
    features = torch.randn(4, edge_dim, dtype=torch.float64)
    output = layer(x, Edges(edge_index, 5), features if edge_dim else None)
    row = torch.cat([x[edge_index[1]], x[edge_index[0]], features], dim=1)
    expected = torch.nn.functional.linear(row, layer.weight, layer.bias)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-14)


def test_gaussian_basis_peaks_at_its_centres() -> None:
    basis = GaussianBasis(cutoff=3.0, num_basis=4).double()
    values = basis(torch.tensor([0.0, 1.0, 1.5, 3.0], dtype=torch.float64))
    assert torch.equal(values.argmax(1)[[0, 1, 3]], torch.tensor([0, 1, 3]))
    assert values[1, 1] == 1.0
    assert values[1, 2].item() == pytest.approx(math.exp(-0.5))
    assert values[2, 1] == values[2, 2]


def test_bessel_basis_vanishes_at_the_cutoff() -> None:
    basis = BesselBasis(cutoff=4.0, num_basis=3, envelope_exponent=5).double()
    lengths = torch.tensor([1.0, 4.0 - 1e-4, 4.0, 4.5], dtype=torch.float64)
    values = basis(lengths)
    envelope = 1 - 28 * 0.25**6 + 48 * 0.25**7 - 21 * 0.25**8
    assert values[0, 1].item() == pytest.approx(math.sin(2 * math.pi * 0.25) / 0.25 * envelope)
    assert float(values[1:].abs().max()) < 1e-12


def test_polynomial_cutoff_is_flat_at_both_ends() -> None:
    ends = torch.tensor([1e-12, 1 - 1e-9], dtype=torch.float64, requires_grad=True)
    values = polynomial_cutoff(ends, 5)
    assert values.tolist() == pytest.approx([1.0, 0.0])
    (slope,) = torch.autograd.grad(values.sum(), ends)
    assert slope.tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


@pytest.mark.parametrize("exponent", [1, 5, 8])
def test_polynomial_cutoff_keeps_its_digits_in_single_precision(exponent: int) -> None:
    scaled = torch.cat([torch.linspace(0.0, 0.99, 50), 1.0 - torch.logspace(-6, -2, 20)])
    x, p = scaled.double(), exponent + 1
    terms = (p + 1) * (p + 2) / 2 * x**p, p * (p + 2) * x ** (p + 1), p * (p + 1) / 2 * x ** (p + 2)
    expected = 1.0 - terms[0] + terms[1] - terms[2]
    found = polynomial_cutoff(scaled, exponent)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-13)
    assert polynomial_cutoff(torch.tensor([1.0, 3.0]), exponent).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bias", [True, False])
def test_stacked_linear_uses_the_weights_of_each_group(bias: bool) -> None:
    layers = StackedLinear(4, 2, 3, bias).double()
    x, counts = torch.randn(5, 2, dtype=torch.float64), [2, 0, 3, 0]
    layer_of = torch.tensor([0, 0, 2, 2, 2])
    expected = torch.einsum("ri,rio->ro", x, layers.weight[layer_of])
    if layers.bias is not None:
        expected = expected + layers.bias[layer_of, 0]
    torch.testing.assert_close(layers.by_group(x, counts), expected)
    assert layers.by_group(x[:0], [0, 0, 0, 0]).shape == (0, 3)


def test_cosine_cutoff_ends_flat_at_the_cutoff() -> None:
    lengths = torch.tensor([0.0, 2.0, 4.0, 5.0, 8.0], dtype=torch.float64, requires_grad=True)
    weights = cosine_cutoff(lengths, 4.0)
    assert weights.tolist() == pytest.approx([1.0, 0.5, 0.0, 0.0, 0.0])
    (slope,) = torch.autograd.grad(weights.sum(), lengths)
    assert slope.tolist() == pytest.approx([0.0, -math.pi / 8, 0.0, 0.0, 0.0])


def test_edge_vectors_point_from_source_to_target_over_images() -> None:
    pos = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    edges = Edges(torch.tensor([[1, 0], [0, 1]]), 2, shifts=torch.tensor([[5.0, 0, 0], [0, 0, 0]]))
    assert edges.vectors(pos).tolist() == [[4.0, 0, 0], [1.0, 0, 0]]
    assert edges.lengths(pos).tolist() == [4.0, 1.0]
