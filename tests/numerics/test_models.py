"""What every architecture must hold: symmetries, periodicity, locality, batches, gradients.

Parametrised over the registry, with and without edge features, so that a new architecture is
tested when it arrives.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from hydria.graph.batch import GraphBatch
from hydria.graph.neighbors import EdgeSet
from hydria.models.registry import ARCHITECTURES
from hydria.nn.activations import ACTIVATIONS
from tests.support.graphs import Structure, make_cluster, make_crystal
from tests.support.models import (
    CUTOFF,
    edges_of,
    graph_fields,
    join_graphs,
    make_batch,
    make_model,
    make_spec,
)

# largest relative difference between two computations of the same outputs
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}

# options that change what is computed, beside the defaults
ATTENTION = {"global_attn_engine": "GPS", "global_attn_heads": 2, "global_attn_dropout": 0.0}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    # exact attention over copies of a cell is that over the cell
    "PNAPlus": {"attention": {**ATTENTION, "global_attn_type": "multihead"}},
    "PAINN": {"attention": {**ATTENTION, "global_attn_type": "performer"}},
    "EGNN": {"equivariant": {"equivariance": True}},
    "SchNet": {"equivariant": {"equivariance": True}},
    "MACE": {
        "orders": {"correlation": [3, 1], "max_ell": 3, "node_max_ell": 2},
        "gaussian": {"radial_type": "gaussian", "distance_transform": "Soft"},
        "chebyshev": {"radial_type": "chebyshev", "distance_transform": "Agnesi"},
    },
    "CGCNN": {"gaussians": {"num_gaussians": 5}},
}


def variants(name: str) -> dict[str, dict[str, Any]]:
    """Label → options of the cases of one architecture."""
    lengths = {"lengths": {"edge_features": True}}
    refused = "edge_features" in ARCHITECTURES.load(name).unavailable
    return {"plain": {}, **({} if refused else lengths), **VARIANTS.get(name, {})}


CASES = [
    pytest.param((name, options), id=f"{name}-{label}")
    for name in ARCHITECTURES
    for label, options in variants(name).items()
]


@pytest.fixture(params=CASES)
def model(request: pytest.FixtureRequest) -> nn.Module:
    name, options = request.param
    return make_model(make_spec(name, **options))


class Typed:
    """A model in one precision, with its outputs and their tolerance."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self.model, self.dtype = model.to(dtype), dtype

    def __call__(self, *structures: Structure) -> list[Tensor]:
        """Graph and node outputs of the batch of some structures."""
        return self.of(make_batch(*structures, dtype=self.dtype))

    def of(self, batch: GraphBatch) -> list[Tensor]:
        outputs: list[Tensor] = self.model(batch)
        return outputs

    def assert_equal(self, first: list[Tensor], second: list[Tensor]) -> None:
        assert {output.dtype for output in (*first, *second)} == {self.dtype}
        assert difference(first, second) < TOLERANCE[self.dtype]


@pytest.fixture(params=TOLERANCE, ids=["fp64", "fp32"])
def typed(model: nn.Module, request: pytest.FixtureRequest) -> Typed:
    return Typed(model, request.param)


def crystal(seed: int = 3) -> Structure:
    """Four atoms in a skewed, rattled cell, shorter than the cutoff along each axis."""
    cube = make_crystal(repeat=1, rattle=0.15, seed=seed)
    assert cube.cell is not None
    skew = np.array([[1.0, 0.1, 0.0], [0.0, 0.95, 0.2], [0.15, 0.0, 1.05]])
    return Structure(cube.numbers, cube.pos @ skew, cube.cell @ skew, cube.pbc)


def moved(structure: Structure, pos: np.ndarray, cell: np.ndarray | None = None) -> Structure:
    return Structure(
        structure.numbers, pos, structure.cell if cell is None else cell, structure.pbc
    )


def tiled(structure: Structure, repeat: int) -> Structure:
    """The same crystal in a cell repeated along each axis, all atoms of a copy together."""
    assert structure.cell is not None
    copies = np.array(list(itertools.product(range(repeat), repeat=3)))
    pos = (structure.pos[None] + (copies @ structure.cell)[:, None]).reshape(-1, 3)
    numbers = np.tile(structure.numbers, len(copies))
    return Structure(numbers, pos, structure.cell * repeat, structure.pbc)


def random_rotation(seed: int, reflect: bool) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q if (np.linalg.det(q) < 0) == reflect else -q


def difference(first: list[Tensor], second: list[Tensor]) -> float:
    """Largest difference, relative to the largest output where that is above one."""
    return max(
        float((a - b).detach().abs().max() / a.detach().abs().max().clamp_min(1.0))
        for a, b in zip(first, second, strict=True)
    )


def assert_equal(
    first: list[Tensor], second: list[Tensor], dtype: torch.dtype = torch.float64
) -> None:
    assert difference(first, second) < TOLERANCE[dtype]


STRUCTURES = [pytest.param(crystal(), id="crystal"), pytest.param(make_cluster(), id="cluster")]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_permuted_atoms_give_permuted_outputs(typed: Typed, structure: Structure) -> None:
    order = np.random.default_rng(0).permutation(len(structure.numbers))
    permuted = Structure(
        structure.numbers[order], structure.pos[order], structure.cell, structure.pbc
    )
    graph, node = typed(structure)
    typed.assert_equal([graph, node[torch.as_tensor(order)]], typed(permuted))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_translation_changes_nothing(typed: Typed, structure: Structure) -> None:
    shifted = moved(structure, structure.pos + np.array([0.3, -1.7, 2.9]))
    typed.assert_equal(typed(structure), typed(shifted))


@pytest.mark.parametrize("reflect", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_scalars_do_not_turn(typed: Typed, structure: Structure, reflect: bool) -> None:
    turn = random_rotation(1, reflect)
    cell = None if structure.cell is None else structure.cell @ turn
    turned = moved(structure, structure.pos @ turn, cell)
    typed.assert_equal(typed(structure), typed(turned))


def test_shift_and_wrap_of_a_crystal_changes_nothing(typed: Typed) -> None:
    structure = crystal()
    assert structure.cell is not None
    fractional = (structure.pos + np.array([1.1, 0.7, 2.3])) @ np.linalg.inv(structure.cell)
    wrapped = moved(structure, (fractional % 1.0) @ structure.cell)
    typed.assert_equal(typed(structure), typed(wrapped))


def test_supercell_gives_the_same_outputs_per_atom(typed: Typed) -> None:
    structure = crystal()
    graph, node = typed(structure)
    graph_tiled, node_tiled = typed(tiled(structure, 2))
    typed.assert_equal([graph, node.repeat(8, 1)], [graph_tiled, node_tiled])


def test_self_images_equal_a_brute_force_supercell(typed: Typed) -> None:
    cell = np.array([[2.3, 0.0, 0.0], [0.4, 2.5, 0.0], [0.2, -0.3, 2.6]])
    small = Structure(np.array([29]), np.array([[0.1, 0.2, 0.3]]), cell, np.ones(3, dtype=bool))
    assert (edges_of(small).edge_index == 0).all()
    large = tiled(small, 5)
    batch = join_graphs([graph_fields(large, brute_force_edges(large), typed.dtype)], typed.dtype)
    graph, node = typed(small)
    typed.assert_equal([graph, node.repeat(125, 1)], typed.of(batch))


def brute_force_edges(structure: Structure, cutoff: float = CUTOFF) -> EdgeSet:
    """All pairs over the nearest 27 cells; enough where the cell is wider than the cutoff."""
    assert structure.cell is not None
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    shifts = images @ structure.cell
    # vectors[i, j, s] from source j to target i
    vectors = (structure.pos[:, None] - structure.pos[None])[:, :, None] + shifts
    lengths = np.linalg.norm(vectors, axis=-1)
    target, source, image = np.nonzero((lengths < cutoff) & (lengths > 1e-8))
    return EdgeSet(
        np.stack([source, target]),
        images[image],
        shifts[image],
        lengths[target, source, image],
        capped=0,
        isolated=0,
    )


def test_a_batch_equals_its_graphs_one_by_one(typed: Typed) -> None:
    structures = [crystal(), make_cluster(5), crystal(4), make_cluster(9, seed=2)]
    single = [typed(structure) for structure in structures]
    joined = [torch.cat(outputs) for outputs in zip(*single, strict=True)]
    typed.assert_equal(joined, typed(*structures))


def lone_atoms(count: int) -> Structure:
    """Atoms out of one another's reach."""
    pos = np.arange(count)[:, None] * np.array([[9.0, 0, 0]])
    return Structure(np.full(count, 6), pos, None, np.zeros(3, dtype=bool))


@pytest.mark.parametrize("count", [1, 3])
def test_atoms_without_neighbours_are_like_each_other(typed: Typed, count: int) -> None:
    graph, node = typed(lone_atoms(count), make_cluster())
    alone, alone_node = typed(lone_atoms(1))
    assert torch.isfinite(graph).all()
    typed.assert_equal([node[:count], graph[:1]], [alone_node.expand(count, -1), alone])


def test_a_batch_without_graphs_gives_no_rows(model: nn.Module) -> None:
    for training in (False, True):
        graph, node = model.train(training)(make_batch())
        assert graph.shape == (0, 1)
        assert node.shape == (0, 2)
    # ranks average gradients parameter by parameter, so one with no rows must have them all
    (graph.sum() + node.sum()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_training_on_one_lone_atom_stays_finite(model: nn.Module) -> None:
    outputs = model.train()(make_batch(lone_atoms(1)))
    sum(output.sum() for output in outputs).backward()
    assert all(torch.isfinite(output).all() for output in outputs)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_every_parameter_gets_a_gradient(model: nn.Module) -> None:
    outputs = model.train()(make_batch(crystal(), make_cluster()))
    sum(output.square().sum() for output in outputs).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_outputs_depend_on_neighbours(model: nn.Module) -> None:
    """Else the tests above could pass on a model that looks at nothing."""
    structure = make_cluster()
    batch = make_batch(structure)
    other = batch.x.clone()
    other[0] += 0.5
    _, node = model(batch)
    _, node_changed = model(batch.replace(x=other))
    neighbours = batch.edge_index[1][batch.edge_index[0] == 0]
    assert bool(((node_changed - node)[neighbours].abs() > 1e-6).any(dim=1).all())


def test_torch_geometric_batches_give_the_same(model: nn.Module) -> None:
    structures = [crystal(), make_cluster()]
    graphs = []
    for structure in structures:
        fields = graph_fields(structure)
        shuffled = torch.randperm(len(fields["edge_attr"]))
        graphs.append(
            Data(
                x=fields["x"],
                pos=fields["pos"],
                edge_index=fields["edge_index"][:, shuffled],
                edge_shifts=fields["edge_shifts"][shuffled],
                edge_attr=fields["edge_attr"][shuffled],
            )
        )
    ours = model(make_batch(*structures))
    assert_equal(ours, model(Batch.from_data_list(graphs)))
    assert_equal([ours[1][:4]], model(graphs[0])[1:])


def test_gradients_equal_finite_differences(model: nn.Module) -> None:
    batch = make_batch(make_cluster(5), lone_atoms(1))
    # atoms of one element would tie for the largest neighbour, where there is no derivative
    batch = batch.replace(x=batch.x + torch.linspace(-0.1, 0.1, batch.x.numel()).view_as(batch.x))
    names = ("x", "pos", "edge_attr")

    def outputs(*values: Tensor) -> tuple[Tensor, ...]:
        return tuple(model(batch.replace(**dict(zip(names, values, strict=True)))))

    values = tuple(batch[name].requires_grad_() for name in names)
    assert torch.autograd.gradcheck(outputs, values, fast_mode=True)
    assert torch.autograd.gradgradcheck(outputs, values, fast_mode=True)


def test_state_dict_round_trip_gives_equal_outputs(model: nn.Module) -> None:
    batch = make_batch(crystal(), make_cluster())
    other = make_model(model.spec, seed=9)
    assert difference(model(batch), other(batch)) > 1e-3
    other.load_state_dict(model.state_dict())
    assert difference(model(batch), other(batch)) == 0.0


def test_float32_is_close_to_float64(model: nn.Module) -> None:
    batch = make_batch(crystal(), make_cluster())
    double = model(batch)
    single = model.float()(batch.to(dtype=torch.float32))
    assert [output.dtype for output in single] == [torch.float32] * 2
    assert_equal(double, [output.double() for output in single], torch.float32)


def test_deterministic_algorithms_repeat_a_step_to_the_bit(model: nn.Module) -> None:
    batch = make_batch(crystal(), make_cluster()).to(dtype=torch.float32)
    model.float()
    gradients = []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            model.zero_grad()
            sum(output.square().sum() for output in model(batch)).backward()
            gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_half_precision_is_near(model: nn.Module) -> None:
    batch = make_batch(crystal(), make_cluster()).to(dtype=torch.float32)
    single = model.float()(batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(batch)
    assert difference(single, [output.float() for output in half]) < 0.2
    sum(output.float().sum() for output in half).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if ARCHITECTURES.load(n).fades])
def test_outputs_are_smooth_where_an_atom_crosses_the_cutoff(name: str, dtype: torch.dtype) -> None:
    """Those whose messages fade by themselves; all do in smooth potentials."""
    typed = Typed(make_model(make_spec(name)), dtype)

    def node_output(distance: float) -> Tensor:
        pos = np.array([[0.0, 0, 0], [1.5, 0, 0], [1.5 + distance, 0, 0]])
        line = Structure(np.array([6, 8, 1]), pos, None, np.zeros(3, dtype=bool))
        return typed(line)[1].detach()

    step = 1e-4
    inside, at, outside = (node_output(CUTOFF + side * step) for side in (-1, 0, 1))
    noise = TOLERANCE[dtype] * float(at.abs().max().clamp_min(1.0))
    # a jump would not shrink with the step; a kink would leave a slope
    assert float((inside - outside).abs().max()) < 1e-6 + noise
    assert float((inside - at).abs().max()) < step**1.5 + noise


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_activation_is_followed(name: str) -> None:
    batch = make_batch(crystal(), make_cluster(5))
    seen: list[tuple[str, list[Tensor]]] = []
    for activation in ACTIVATIONS:
        model = make_model(make_spec(name, activation_function=activation))
        outputs = model(batch)
        sum(output.square().sum() for output in outputs).backward()
        gradients = {n: p.grad for n, p in model.named_parameters()}
        assert all(g is not None and bool(g.isfinite().all()) for g in gradients.values())
        for other, before in seen:
            assert difference(before, outputs) > 1e-6, (activation, other)
        seen.append((activation, outputs))
