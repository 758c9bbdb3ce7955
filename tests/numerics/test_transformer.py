"""The equivariant transformer against a twin made of e3nn's layers, and what it must hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from e3nn import nn as e3nn
from e3nn import o3
from torch import Tensor, nn

from hydria.config import load_config
from hydria.core.errors import ConfigError, ModelError
from hydria.models.registry import ARCHITECTURES
from hydria.models.state import NodeState
from hydria.models.transformer import EquivariantTransformer
from hydria.models.upstream import convert_state
from hydria.nn.attention import Padding
from hydria.nn.irreps import natural, span
from hydria.nn.segments import Segments
from tests.support.configs import make_config
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import make_batch, make_model, make_spec
from tests.support.saved import step

HEADS, NUM_RADIAL = 2, 5
SCALARS_ONLY = {
    "equivariant_attn_allow_scalar_only": True,
    "equivariant_attn_require_tensor_coupling": False,
}
TENSORS = ("PAINN", "PNAEq", "MACE")


def options(name: str, **others: Any) -> dict[str, Any]:
    chosen = {
        "global_attn_engine": "EquivariantTransformer",
        "global_attn_heads": HEADS,
        "equivariant_attn_num_radial": NUM_RADIAL,
        **({} if name in TENSORS else SCALARS_ONLY),
    }
    return {**chosen, **others}


def model_of(name: str, **others: Any) -> nn.Module:
    return make_model(make_spec(name, **options(name, **others)))


class Twin(nn.Module):
    """The layer as HydraGNN describes it: modules of e3nn, one pair of nodes at a time."""

    def __init__(self, width: int, lmax: int, edge_lmax: int) -> None:
        super().__init__()
        irreps = o3.Irreps([(width, natural(degree)) for degree in range(lmax + 1)])
        heads = o3.Irreps([part for _ in range(HEADS) for part in irreps])
        hidden = o3.Irreps([(2 * width, part.ir) for part in irreps])
        self.irreps, self.harmonics = irreps, o3.Irreps.spherical_harmonics(edge_lmax)
        self.attention = nn.Module()
        self.attention.query, self.attention.key = (
            o3.Linear(irreps, heads),
            o3.Linear(irreps, heads),
        )
        self.attention.output = o3.Linear(heads, irreps)
        self.attention.value_tensor_product = o3.FullyConnectedTensorProduct(
            irreps, self.harmonics, irreps, shared_weights=False
        )
        self.num_weights = self.attention.value_tensor_product.weight_numel
        self.attention.radial_mlp = nn.Sequential(
            nn.Linear(NUM_RADIAL, NUM_RADIAL),
            nn.SiLU(),
            nn.Linear(NUM_RADIAL, HEADS * self.num_weights),
        )
        silu = nn.functional.silu
        self.feedforward = nn.Sequential(
            o3.Linear(irreps, hidden),
            e3nn.NormActivation(hidden, silu, normalize=True, epsilon=1e-8, bias=False),
            o3.Linear(hidden, irreps),
        )
        for name in ("attention_norm", "feedforward_norm"):
            norm = nn.Module()
            norm.gain = nn.Parameter(torch.rand(()))
            setattr(self, name, norm)

    def forward(self, start: Tensor, local: Tensor, pos: Tensor, graph: Tensor) -> Tensor:
        """Parallel mode, on (N, irreps)."""
        total = start + local + self.attend(self.normed(start, "attention_norm"), pos, graph)
        return total + self.feedforward(self.normed(total, "feedforward_norm"))

    def normed(self, features: Tensor, name: str) -> Tensor:
        squares = features.square().mean(1, keepdim=True)
        return getattr(self, name).gain * features / (squares + 1e-8).sqrt()

    def attend(self, features: Tensor, pos: Tensor, graph: Tensor) -> Tensor:
        layers = self.attention
        query = layers.query(features).view(len(features), HEADS, -1)
        key = layers.key(features).view(len(features), HEADS, -1)
        rows = []
        for i in range(len(features)):
            others = [j for j in range(len(features)) if j != i and graph[j] == graph[i]]
            parts = []
            for head in range(HEADS if others else 0):
                scores = torch.stack([query[i, head] @ key[j, head] for j in others])
                weights = (scores / self.irreps.dim**0.5).softmax(0)
                values = [self.value(features[j], pos[j] - pos[i])[head] for j in others]
                parts.append((weights[:, None] * torch.stack(values)).sum(0))
            rows.append(torch.cat(parts) if parts else features.new_zeros(HEADS * self.irreps.dim))
        return layers.output(torch.stack(rows))

    def value(self, features: Tensor, apart: Tensor) -> list[Tensor]:
        distance = apart.norm()
        centers = torch.linspace(0, 1, NUM_RADIAL, dtype=torch.float64)
        basis = torch.exp(-((NUM_RADIAL - 1) ** 2) * (distance / (1 + distance) - centers) ** 2)
        weights = self.attention.radial_mlp(basis).view(HEADS, self.num_weights)
        harmonics = o3.spherical_harmonics(self.harmonics, apart, True, normalization="component")
        product = self.attention.value_tensor_product
        return [product(features[None], harmonics[None], row[None])[0] for row in weights]


def flat(features: Tensor, lmax: int) -> Tensor:
    """(N, components, C) → (N, irreps) of e3nn."""
    parts = [features[:, span(degree)].transpose(1, 2).flatten(1) for degree in range(lmax + 1)]
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize(("lmax", "edge_lmax"), [(0, 1), (1, 1), (2, 3)])
def test_layer_equals_e3nns_modules_with_upstreams_weights(lmax: int, edge_lmax: int) -> None:
    torch.manual_seed(0)
    width = 4
    spec = make_spec("PAINN", hidden_dim=width, **options("PAINN", equivariant_attn_lmax=edge_lmax))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of e3nn's constants
    try:
        twin = Twin(width, lmax, edge_lmax)
    finally:
        torch.set_default_dtype(before)
    state = {f"graph_convs.0.global_layer.{name}": v for name, v in twin.state_dict().items()}
    ours = EquivariantTransformer(spec, lmax).double()
    converted = convert_state(state, spec)
    ours.load_state_dict({n.removeprefix("attentions.0."): v for n, v in converted.items()})
    graph = torch.tensor([0, 0, 0, 1, 2, 2])
    features = torch.randn(2, 6, (lmax + 1) ** 2, width, dtype=torch.float64)
    pos = torch.randn(6, 3, dtype=torch.float64)
    states = [NodeState(f[:, 0], f[:, 1:] if lmax else None) for f in features]
    found = ours(*states, Padding(Segments(graph, 3)), pos)
    expected = twin(*(flat(f, lmax) for f in features), pos, graph)
    joined = found.x.unsqueeze(1)
    joined = torch.cat([joined, found.equivariant], dim=1) if lmax else joined
    torch.testing.assert_close(flat(joined, lmax), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("mode", ["parallel", "sequential"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_batch_equals_its_graphs_and_chunks_equal_the_whole(name: str, mode: str) -> None:
    structures = [make_cluster(7), make_cluster(1), make_cluster(4, seed=2)]
    batch = make_batch(*structures)
    model = model_of(name, equivariant_attn_coupling_mode=mode)
    whole, gradients, _ = step(model, batch)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    singles = [model(make_batch(one)) for one in structures]
    for output, parts in zip(whole, zip(*singles, strict=True), strict=True):
        torch.testing.assert_close(output, torch.cat(parts), rtol=1e-9, atol=1e-9)
    others = {"equivariant_attn_coupling_mode": mode, "equivariant_attn_chunk_size": 6}
    chunked, chunked_gradients, _ = step(model_of(name, **others), batch)
    for first, second in zip((*whole, *gradients), (*chunked, *chunked_gradients), strict=True):
        scale = float(first.detach().abs().max().clamp_min(1.0))
        assert float((first - second).detach().abs().max()) < 1e-10 * scale


def orthogonal(reflect: bool) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return q if (np.linalg.det(q) < 0) == reflect else -q


@pytest.mark.parametrize("reflect", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("name", TENSORS)
def test_scalars_stay_and_vectors_turn(name: str, reflect: bool) -> None:
    model = model_of(name, num_conv_layers=3, equivariant_attn_lmax=2)
    cluster, turn = make_cluster(8), orthogonal(reflect)
    order = np.random.default_rng(0).permutation(8)
    pos = cluster.pos[order] @ turn + np.array([3.0, -1.0, 7.0])
    other = Structure(cluster.numbers[order], pos, None, cluster.pbc)
    seen: list[Tensor] = []
    model.attentions["1"].register_forward_hook(lambda _, __, out: seen.append(out.equivariant))
    before, after = model(make_batch(cluster)), model(make_batch(other))
    places = torch.as_tensor(order)
    torch.testing.assert_close(after[0], before[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(after[1], before[1][places], rtol=1e-10, atol=1e-10)
    vectors, turned = (features[:, :3] for features in seen)
    assert float(vectors.detach().abs().max()) > 1e-3
    expected = torch.einsum("nxc,xy->nyc", vectors[places], torch.as_tensor(turn))
    torch.testing.assert_close(turned, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [*TENSORS, "SchNet"])
def test_forces_can_be_trained(name: str) -> None:
    model = model_of(name, equivariant_attn_chunk_size=2)
    batch = make_batch(make_cluster(4), make_cluster(1))

    def energy(pos: Tensor) -> Tensor:
        return model(batch.replace(pos=pos))[0]

    pos = batch.pos.clone().requires_grad_()
    assert torch.autograd.gradcheck(energy, pos, fast_mode=True)
    assert torch.autograd.gradgradcheck(energy, pos, fast_mode=True)


def test_far_atoms_see_one_another_and_graphs_do_not() -> None:
    model = model_of("PAINN")
    batch = make_batch(make_cluster(2, spacing=30.0), make_cluster(3))
    batch = batch.replace(x=batch.x.requires_grad_())
    (gradient,) = torch.autograd.grad(model(batch)[1][0].square().sum(), batch.x)
    assert bool((gradient[1] != 0).any())
    assert bool((gradient[2:] == 0).all())


def test_chunks_bound_the_memory() -> None:
    batch = make_batch(make_cluster(40), dtype=torch.float32)
    kept = {}
    for size in (None, 4):
        model = model_of("PAINN", equivariant_attn_chunk_size=size).float()
        kept[size] = step(model, batch)[2]
    assert kept[4] < kept[None] / 3


def test_periodic_structures_are_refused() -> None:
    network = {
        "mpnn_type": "PAINN",
        "periodic_boundary_conditions": True,
        **options("PAINN"),
    }
    tree = make_config(**{f"NeuralNetwork__Architecture__{k}": v for k, v in network.items()})
    with pytest.raises(ConfigError, match=r"periodic_boundary_conditions: expected false"):
        load_config(tree)
    with pytest.raises(ModelError, match="without periodic images"):
        model_of("PAINN")(make_batch(make_crystal(1)))


@pytest.mark.parametrize("given", [{}, {"equivariant_attn_allow_scalar_only": True}])
def test_attention_with_scalars_alone_must_be_asked_for(given: dict[str, bool]) -> None:
    network = {"mpnn_type": "SchNet", **options("PAINN"), **given}
    tree = make_config(**{f"NeuralNetwork__Architecture__{k}": v for k, v in network.items()})
    with pytest.raises(ConfigError, match="SchNet has no vector features"):
        load_config(tree)
