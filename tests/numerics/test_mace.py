"""MACE: couplings, products and messages against e3nn and plain sums; what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from e3nn import o3
from torch import Tensor, nn

from hydria.config.architectures.mace import MACE
from hydria.core.errors import ConfigError, DataError
from hydria.models import build_model
from hydria.models.mace.conv import Surroundings
from hydria.models.mace.couplings import _coupled
from hydria.models.mace.messages import Products
from hydria.models.mace.product import ProductBasis
from hydria.models.mace.radial import RadialEmbedding, agnesi, soft
from hydria.nn.edges import Edges
from hydria.nn.irreps import couplings, natural
from hydria.nn.outer import OuterSums
from tests.support.graphs import make_cluster, make_crystal
from tests.support.models import CUTOFF, make_batch, make_model, make_spec


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    """e3nn makes its constants in the default precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def make_product(lmax: int, out_lmax: int, correlation: int, channels: int = 3) -> ProductBasis:
    torch.manual_seed(0)
    return ProductBasis(lmax, out_lmax, correlation, channels).double()


@pytest.mark.parametrize(("lmax", "correlation"), [(1, 1), (2, 2), (2, 3), (1, 4)])
def test_products_equal_the_sum_over_all_index_tuples(lmax: int, correlation: int) -> None:
    product = make_product(lmax, 1, correlation)
    features, elements = random(5, (lmax + 1) ** 2, 3), torch.tensor([0, 7, 7, 117, 28])
    expected = []
    for degree in (0, 1):
        total = torch.zeros(5, 2 * degree + 1, 3, dtype=torch.float64)
        for order in range(1, correlation + 1):
            tensors = [t for ir, t in _coupled(lmax, order, order) if ir == natural(degree)]
            weights = product.weights[f"{degree}_{order}"][elements]  # (5, k, 3)
            assert len(tensors) == weights.shape[1]
            for k, tensor in enumerate(tensors):
                value = tensor.expand(5, 3, *tensor.shape)
                for _ in range(order):
                    value = torch.einsum("nc...i,nic->nc...", value, features)
                total += value.transpose(1, 2) * weights[:, k].unsqueeze(1)
        expected.append(total)
    torch.testing.assert_close(product(features, elements), torch.cat(expected, dim=1))


def wigner(lmax: int, turn: Tensor) -> Tensor:
    irreps = o3.Irreps([(1, natural(degree)) for degree in range(lmax + 1)])
    return irreps.D_from_matrix(turn)


@pytest.mark.parametrize("reflect", [False, True])
def test_products_turn_with_their_factors(reflect: bool) -> None:
    product = make_product(3, 2, 3)
    turn = o3.rand_matrix(dtype=torch.float64) * (-1 if reflect else 1)
    features, elements = random(4, 16, 3), torch.tensor([0, 5, 5, 60])
    turned = torch.einsum("ij,njc->nic", wigner(3, turn), features)
    expected = torch.einsum("ij,njc->nic", wigner(2, turn), product(features, elements))
    torch.testing.assert_close(product(turned, elements), expected, rtol=1e-9, atol=1e-9)


def random_edges(num_edges: int = 12) -> Edges:
    generator = torch.Generator().manual_seed(1)
    ends = torch.randint(0, 4, (2, num_edges), generator=generator)
    return Edges(ends[:, ends[1].argsort(stable=True)], 5)


def test_sums_of_products_equal_a_loop() -> None:
    products = Products(couplings(1, 2, 2))
    edges = random_edges()
    inputs = (random(5, 4, 2), random(12, 3), random(3, len(products.paths) * 2), random(12, 9))
    summed = products.summed(*inputs, OuterSums(edges))
    features, hidden, matrix, harmonics = inputs
    weights = (hidden @ matrix).view(12, -1, 2)
    expected = torch.zeros_like(summed)
    for group in products.groups:
        for edge, (j, i) in enumerate(zip(edges.source, edges.target, strict=True)):
            values = [
                torch.einsum(
                    "y,pc,xc->ypxc",
                    harmonics[edge, group.harmonics],
                    weights[edge, block.paths],
                    features[j, block.nodes],
                ).flatten(1, 2)
                for block in group.blocks
            ]
            expected[i, group.rows] += torch.cat(values, dim=1).flatten(0, 1)
    torch.testing.assert_close(summed, expected)


def test_sums_of_products_can_be_differentiated_twice() -> None:
    products = Products(couplings(1, 1, 1))
    sums = OuterSums(random_edges(6))
    inputs = (random(5, 4, 1), random(6, 2), random(2, len(products.paths)), random(6, 4))

    def summed(*values: Tensor) -> Tensor:
        return products.summed(*values, sums)

    assert torch.autograd.gradcheck(summed, inputs)
    assert torch.autograd.gradgradcheck(summed, inputs)


@pytest.mark.parametrize("edge_features", [False, True])
def test_messages_equal_e3nns_tensor_product(edge_features: bool) -> None:
    """With edge features, which join the harmonic of degree 0 as scalars of the edge."""
    model = make_model(make_spec("MACE", edge_features=edge_features, num_conv_layers=3))
    batch = make_batch(make_crystal(1, rattle=0.2))
    messages = model.convs[1].messages
    edges = Edges.of(batch, torch.float64)
    around = model.geometry(edges, batch.pos)
    features, elements = random(4, 4, 8), model.elements(batch.x)
    output = messages(features, elements, edges, around)
    expected = e3nn_messages(messages, features, elements, edges, around)
    torch.testing.assert_close(output, expected, rtol=1e-11, atol=1e-11)


def e3nn_messages(
    messages: nn.Module, features: Tensor, elements: Tensor, edges: Edges, around: Surroundings
) -> Tensor:
    num_scalars = 1 + messages.edge_dim
    edge_irreps = o3.Irreps(f"{num_scalars}x0e + 1x1o + 1x2e")
    paths = messages.products.paths
    product = o3.TensorProduct(
        o3.Irreps("8x0e + 8x1o"),
        edge_irreps,
        o3.Irreps([(8, natural(third)) for _, _, third in paths]),
        [(first, second, n, "uvu", True) for n, (first, second, _) in enumerate(paths)],
        shared_weights=False,
        internal_weights=False,
    ).double()
    hidden = messages.hidden_of(features, elements, edges, around)
    scale = messages.scale_of_weights
    weights = (hidden @ (messages.radial * scale)).tensor_split(
        [sum(messages.repeats[:n]) * 8 for n in range(1, len(paths))], dim=1
    )
    by_channel = [w.unflatten(1, (-1, 8)).transpose(1, 2).flatten(1) for w in weights]
    on_edge = around.harmonics
    if messages.edge_dim:
        on_edge = torch.cat([edges.features, on_edge], dim=1)
    up = messages.up(features)
    flat = torch.cat([up[:, 0], up[:, 1:].transpose(1, 2).flatten(1)], dim=1)
    values = product(flat[edges.source], on_edge, torch.cat(by_channel, dim=1))
    total = torch.zeros(len(features), values.shape[1], dtype=torch.float64)
    total = total.index_add(0, edges.target, values) * messages.scale
    parts = dict[int, list[Tensor]]()
    for (_, _, third), part in zip(paths, product.irreps_out.slices(), strict=True):
        parts.setdefault(third, []).append(total[:, part].unflatten(1, (8, 2 * third + 1)))
    mixed = []
    for third, weight in enumerate(messages.mix):
        joined = torch.cat(parts[third], dim=1).transpose(1, 2)
        mixed.append(joined @ weight * len(weight) ** -0.5)
    return torch.cat(mixed, dim=1)


def test_chebyshev_polynomials_get_arguments_within_bounds() -> None:
    options = MACE(mpnn_type="MACE", radial_type="chebyshev", num_radial=6)
    basis = RadialEmbedding(options, CUTOFF)._chebyshev
    lengths = torch.linspace(0.3, CUTOFF, 40, dtype=torch.float64)
    orders = torch.arange(1, 7)
    x = 2 * lengths / CUTOFF - 1
    expected = torch.special.chebyshev_polynomial_t(x.unsqueeze(1), orders)
    torch.testing.assert_close(basis(lengths), expected, rtol=1e-10, atol=1e-10)


def test_transforms_of_distances_are_monotonic_and_bounded() -> None:
    lengths = torch.linspace(0.05, 6.0, 300, dtype=torch.float64)
    radii = torch.full_like(lengths, 1.52)
    near_to_far = agnesi(lengths, radii)
    assert 0 < float(near_to_far.min()) < 0.2 < 0.9 < float(near_to_far.max()) < 1
    assert bool((near_to_far.diff() < 0).all())
    softened = soft(lengths, radii)
    assert float(softened[0]) > 0.4
    torch.testing.assert_close(softened[-50:], lengths[-50:], rtol=0, atol=1e-12)


def test_each_layer_has_its_correlation() -> None:
    model = build_model(make_spec("MACE", correlation=[3, 1], num_conv_layers=2))
    assert [conv.product.correlation for conv in model.convs] == [3, 1]


def test_a_list_of_correlations_needs_one_for_each_layer() -> None:
    with pytest.raises(ConfigError, match="one for each of 2 layers, got 3"):
        build_model(make_spec("MACE", correlation=[1, 2, 3], num_conv_layers=2))


def test_more_than_the_atomic_number_is_refused() -> None:
    spec = make_spec("MACE").model_copy(update={"input_dim": 2})
    with pytest.raises(ConfigError, match="atomic number alone"):
        build_model(spec)


@pytest.mark.parametrize("wrong", [0.0, 0.5, 119.0, -3.0, float("nan")])
def test_features_that_are_no_atomic_numbers_are_refused(wrong: float) -> None:
    model = build_model(make_spec("MACE"))
    batch = make_batch(make_cluster(2))
    x = torch.tensor([[6.0], [wrong]], dtype=torch.float64)
    with pytest.raises(DataError, match="atomic numbers from 1 to 118"):
        model(batch.replace(x=x))


def test_atomic_numbers_choose_the_weights() -> None:
    model = build_model(make_spec("MACE"))
    batch = make_batch(make_cluster(2))
    _, node = model(batch.replace(x=torch.tensor([[6.0], [6.0]], dtype=torch.float64)))
    torch.testing.assert_close(node[0], node[1])
    _, other = model(batch.replace(x=torch.tensor([[6.0], [7.0]], dtype=torch.float64)))
    assert float((other - node).detach().abs().min()) > 1e-6


def test_the_atomic_numbers_of_the_structure_come_before_normalised_features() -> None:
    model = build_model(make_spec("MACE"))
    batch = make_batch(make_cluster(2))
    numbers = torch.tensor([6, 7])
    plain = model(batch.replace(x=numbers.double().view(-1, 1)))
    scaled = model(batch.replace(x=torch.tensor([[0.0], [1.0]]).double(), z=numbers))
    for expected, found in zip(plain, scaled, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
