"""DimeNet's basis against SciPy, and its sums over triplets against loops over atoms and images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre, spherical_jn
from torch import Tensor, nn
from torch.nn.functional import silu

from hydria.models.dimenet import triplets as module
from hydria.models.dimenet.basis import SphericalBessel, bessel_zeros, legendre, spherical_bessel
from hydria.models.dimenet.triplets import Triplets
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import CUTOFF, make_batch, make_model, make_spec


@pytest.mark.parametrize("degree", range(7))
def test_bessel_functions_equal_scipys(degree: int) -> None:
    x = torch.logspace(-2, 1.6, 200, dtype=torch.float64)
    expected = spherical_jn(degree, x.numpy())
    np.testing.assert_allclose(spherical_bessel(degree, x), expected, rtol=1e-11, atol=1e-14)


def test_bessel_functions_hold_in_single_precision() -> None:
    x = torch.linspace(0.5, 30.0, 500)
    expected = spherical_jn(6, x.double().numpy())
    np.testing.assert_allclose(spherical_bessel(6, x), expected, rtol=0, atol=2e-6)


def test_zeros_are_the_first_ones_in_order() -> None:
    for degree, row in enumerate(bessel_zeros(7, 6)):
        assert np.abs(spherical_jn(degree, row)).max() < 1e-13
        grid = spherical_jn(degree, np.linspace(0.1, row[-1] + 0.5, 20_000))
        assert (np.diff(np.sign(grid)) != 0).sum() == len(row) == 6


def test_radial_functions_are_orthonormal_before_the_envelope() -> None:
    basis = SphericalBessel(4.0, 3, 4, 5)
    scaled = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    for degree, row in enumerate(basis.zeros):
        values = spherical_bessel(degree, scaled.unsqueeze(1) * row) * basis.norms[degree]
        overlaps = (values * scaled.square().unsqueeze(1)).T @ values / len(scaled)
        torch.testing.assert_close(overlaps, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("num_spherical", [1, 2, 7])
def test_angular_functions_equal_scipys(num_spherical: int) -> None:
    cosines = torch.linspace(-1, 1, 50, dtype=torch.float64)
    values = legendre(num_spherical, cosines)
    assert values.shape == (50, num_spherical)
    for degree in range(num_spherical):
        norm = math.sqrt((2 * degree + 1) / (4 * math.pi))
        expected = norm * eval_legendre(degree, cosines.numpy())
        np.testing.assert_allclose(values[:, degree], expected, rtol=1e-13, atol=1e-14)


def angles_by_hand(edges: Edges, vectors: Tensor) -> dict[tuple[int, int], float]:
    """(first edge, second edge) → cosine at i between j and k, unless k is i itself."""
    ends = list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    found = {}
    for first, (k, j) in enumerate(ends):
        for second, (other_j, i) in enumerate(ends):
            across = vectors[first] + vectors[second]
            if other_j != j or (k == i and float(across.norm()) < 1e-6):
                continue
            cosine = across @ vectors[second] / (across.norm() * vectors[second].norm())
            found[first, second] = float(cosine)
    return found


def asymmetric(edges: Edges) -> Edges:
    """The edges without some of them, so that nodes have different numbers in and out."""
    kept = torch.arange(len(edges.source)) % 5 != 0
    index = torch.stack((edges.source, edges.target))[:, kept]
    shifts = None if edges.shifts is None else edges.shifts[kept]
    return Edges(index, edges.num_nodes, None, shifts)


STRUCTURES = [
    pytest.param(make_cluster(7), id="cluster"),
    # every atom has its own images and several images of the others as neighbours
    pytest.param(make_crystal(1, lattice=3.3, rattle=0.1), id="crystal"),
]


@pytest.mark.parametrize("chunk_size", [1, 1 << 18])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_sums_equal_a_loop_over_triplets(
    monkeypatch: pytest.MonkeyPatch, structure: Structure, chunk_size: int
) -> None:
    monkeypatch.setattr(module, "CHUNK_SIZE", chunk_size)
    batch = make_batch(structure)
    edges = asymmetric(Edges.of(batch, torch.float64))
    vectors = edges.vectors(batch.pos)
    messages = torch.randn(len(vectors), 3, 2, dtype=torch.float64)
    triplets = Triplets(edges)
    cosines, real = triplets.cosines(vectors)
    summed = triplets.summed(legendre(3, cosines) * real.unsqueeze(1), messages)
    expected = torch.zeros_like(summed)
    found = angles_by_hand(edges, vectors)
    assert len(found) == int(real.sum()) > 100
    for (first, second), cosine in found.items():
        angular = legendre(3, torch.tensor(cosine, dtype=torch.float64))
        expected[second] += angular @ messages[first]
    torch.testing.assert_close(summed, expected, rtol=1e-11, atol=1e-11)


def test_other_images_of_an_atom_are_neighbours_of_it() -> None:
    """Where HydraGNN drops k with the number of i, whatever its image."""
    cell = np.diag([3.0, 9.0, 9.0])
    pair = Structure(np.array([6, 8]), np.zeros((2, 3)), cell, np.ones(3, dtype=bool))
    pair.pos[1, 0] = 1.5
    edges = Edges.of(make_batch(pair), torch.float64)
    _, real = Triplets(edges).cosines(edges.vectors(torch.as_tensor(pair.pos)))
    # each atom sees two images of the other, and two of its own: 4 × 4 pairs less 4 reversals
    assert int(real.sum()) == 2 * (16 - 4)


def bases_by_hand(model: nn.Module, length: float) -> tuple[Tensor, Tensor]:
    """(num_radial,) Bessel basis and (num_spherical, num_radial) of a length (2020, eqs. 6–8)."""
    d = length / CUTOFF
    envelope = (1 - 28 * d**6 + 48 * d**7 - 21 * d**8) / d
    rows = [
        np.sqrt(2.0) / np.abs(spherical_jn(degree + 1, row)) * spherical_jn(degree, row * d)
        for degree, row in enumerate(model.spherical.zeros.numpy())
    ]
    basis = torch.sin(model.basis.frequencies * d) * envelope
    return basis, torch.as_tensor(np.stack(rows)) * envelope


def residual_by_hand(layer: nn.Module, x: Tensor) -> Tensor:
    return x + silu(layer.lin2(silu(layer.lin1(x))))


def dimenet_by_hand(model: nn.Module, edges: Edges, x: Tensor, v: Tensor) -> Tensor:
    """Embedding, one interaction and output of DimeNet++ (2011.14115), one triplet at a time."""
    conv = model.convs[0]
    embedding, interaction, output = conv.embedding, conv.interaction, conv.output
    bases = [bases_by_hand(model, float(vector.norm())) for vector in v]
    x = conv.lin(x)
    messages = []
    for edge, (j, i) in enumerate(zip(edges.source.tolist(), edges.target.tolist(), strict=True)):
        seen = [x[i], x[j], silu(embedding.basis(bases[edge][0]))]
        if edges.features is not None and embedding.edge is not None:
            seen.append(silu(embedding.edge(edges.features[edge])))
        joined = embedding.lin.weight @ torch.cat(seen) + embedding.lin.bias
        messages.append(silu(joined))
    heard = [torch.zeros(interaction.up.in_features, dtype=torch.float64) for _ in messages]
    for (first, second), cosine in angles_by_hand(edges, v).items():
        basis, radial = bases[first]
        gates = interaction.basis_out(interaction.basis_in(basis))
        carried = silu(interaction.down(silu(interaction.source(messages[first])) * gates))
        degrees = np.arange(len(radial))
        harmonics = np.sqrt((2 * degrees + 1) / (4 * np.pi)) * eval_legendre(degrees, cosine)
        spherical = (torch.as_tensor(harmonics)[:, None] * radial).flatten()
        filters = interaction.spherical_out(interaction.spherical_in(spherical))
        heard[second] = heard[second] + filters * carried
    total = torch.zeros(len(x), output.basis.out_features, dtype=torch.float64)
    for edge, message in enumerate(messages):
        hidden = silu(interaction.own(message)) + silu(interaction.up(heard[edge]))
        for layer in interaction.before:
            hidden = residual_by_hand(layer, hidden)
        hidden = silu(interaction.skip(hidden)) + message
        for layer in interaction.after:
            hidden = residual_by_hand(layer, hidden)
        total[edges.target[edge]] += output.basis(bases[edge][0]) * hidden
    result: Tensor = output.last(silu(output.hidden(output.up(total))))
    return result


@pytest.mark.parametrize("edge_features", [False, True])
def test_layer_equals_its_equations_on_a_crystal(edge_features: bool) -> None:
    options = {"num_spherical": 3, "num_radial": 2, "num_before_skip": 2, "int_emb_size": 5}
    model = make_model(make_spec("DimeNet", edge_features=edge_features, **options))
    # a cell of two atoms, so that each is reached over several images
    cell = np.array([[3.0, 0.2, 0.0], [0.0, 5.5, 0.3], [0.4, 0.0, 5.8]])
    pos = np.array([[0.0, 0.1, 0.2], [1.4, 0.8, 0.5]])
    batch = make_batch(Structure(np.array([29, 79]), pos, cell, np.ones(3, dtype=bool)))
    edges = Edges.of(batch, torch.float64)
    output = model.convs[0](NodeState(batch.x, None), edges, model.geometry(edges, batch.pos)).x
    expected = dimenet_by_hand(model, edges, batch.x, edges.vectors(batch.pos))
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10 * scale)


def test_first_and_second_derivatives_equal_finite_differences() -> None:
    batch = make_batch(make_cluster(5))
    triplets = Triplets(asymmetric(Edges.of(batch, torch.float64)))
    shape = (len(triplets.edges.source), 2, 2)
    angular = torch.randn(triplets.num_triplets, 2, dtype=torch.float64, requires_grad=True)
    messages = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(triplets.summed, (angular, messages))
    assert torch.autograd.gradgradcheck(triplets.summed, (angular, messages))


def test_filtered_sums_equal_filters_then_sums() -> None:
    batch = make_batch(make_crystal(1, lattice=3.3, rattle=0.1))
    triplets = Triplets(asymmetric(Edges.of(batch, torch.float64)))
    num_edges = len(triplets.edges.source)
    inputs = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((triplets.num_triplets, 2), (num_edges, 2, 3), (2, 3, 4), (num_edges, 4))
    ]
    angular, radial, weight, values = inputs
    filters = torch.einsum("eln,lnc->elc", radial, weight)
    expected = triplets.summed(angular, filters * values.unsqueeze(1))
    output = triplets.filtered(*inputs)
    torch.testing.assert_close(output, expected)
    grad = torch.randn_like(output)
    for chosen in (inputs, inputs[2:]):  # by parts, and chunk by chunk
        detached = [t if any(t is c for c in chosen) else t.detach() for t in inputs]
        found = torch.autograd.grad(triplets.filtered(*detached), chosen, grad)
        wanted = torch.autograd.grad(expected, chosen, grad, retain_graph=True)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_filtered_sums_can_be_differentiated_twice() -> None:
    batch = make_batch(make_cluster(4))
    triplets = Triplets(Edges.of(batch, torch.float64))
    num_edges = len(triplets.edges.source)
    inputs = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((triplets.num_triplets, 2), (num_edges, 2, 1), (2, 1, 2), (num_edges, 2))
    ]
    assert torch.autograd.gradcheck(triplets.filtered, inputs)
    assert torch.autograd.gradgradcheck(triplets.filtered, inputs)
