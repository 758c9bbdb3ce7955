"""Layers against torch-geometric's, and against slow and plain twins."""

from __future__ import annotations

import math

import pytest
import torch
from tests.support.graphs import make_crystal
from tests.support.models import make_batch, make_model, make_spec
from torch import Tensor
from torch_geometric.nn import PNAConv as GeometricPNAConv

from hydria.models.pna.conv import PNAConv
from hydria.models.pna.scalers import SCALERS, DegreeScalers
from hydria.models.schnet.conv import CFConv
from hydria.models.state import NodeState
from hydria.nn.edges import Edges

DEGREES = (1, 0, 3, 5, 2, 2)


def random_edges(edge_dim: int, num_nodes: int = 7, num_edges: int = 18) -> Edges:
    """A multigraph with an isolated node (the last one)."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, num_nodes - 1, (2, num_edges), generator=generator)
    ends = ends[:, ends[1].argsort(stable=True)]
    values = torch.randn(num_edges, edge_dim, generator=generator, dtype=torch.float64)
    return Edges(ends, num_nodes, values if edge_dim else None)


@pytest.mark.parametrize("edge_dim", [0, 1, 3])
def test_pna_layer_equals_torch_geometrics(edge_dim: int) -> None:
    scalers = list(SCALERS)
    ours = PNAConv(4, 6, edge_dim, len(scalers)).double()
    theirs = GeometricPNAConv(
        4, 6, ["mean", "min", "max", "std"], scalers, torch.tensor(DEGREES), edge_dim or None
    ).double()
    names = {"pre": "pre_nns.0.0", "post": "post_nns.0.0"}
    state = {
        ".".join([names.get(part, part) for part in name.split(".")]): value
        for name, value in ours.state_dict().items()
    }
    factors = DegreeScalers(DEGREES, scalers)
    state |= {f"aggr_module.{name}": value for name, value in factors.state_dict().items()}
    theirs.load_state_dict(state)
    edges = random_edges(edge_dim)
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    expected = theirs(x, torch.stack((edges.source, edges.target)), edges.features)
    output = ours(NodeState(x, None), edges, factors(edges)).x
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad((output * weights).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-11)


def schnet_by_hand(conv: CFConv, x: Tensor, pos: Tensor, images: Tensor, cutoff: float) -> Tensor:
    """Equations of Schütt et al. 2017, one pair and one periodic image at a time."""
    num_gaussians = conv.expand.in_features
    spacing = cutoff / (num_gaussians - 1)
    rows = []
    for i in range(len(x)):
        total = torch.zeros(conv.lin1.out_features, dtype=x.dtype)
        for j in range(len(x)):
            for image in images:
                distance = float(torch.linalg.vector_norm(pos[i] - pos[j] + image))
                if not 0 < distance < cutoff:
                    continue
                basis = torch.tensor(
                    [
                        math.exp(-((distance - k * spacing) ** 2) / (2 * spacing**2))
                        for k in range(num_gaussians)
                    ],
                    dtype=x.dtype,
                )
                hidden = conv.expand.weight @ basis + conv.expand.bias
                hidden = torch.log(0.5 * torch.exp(hidden) + 0.5)  # shifted softplus
                filters = conv.generate.weight @ hidden + conv.generate.bias
                fade = 0.5 * (math.cos(math.pi * distance / cutoff) + 1)
                total = total + (conv.lin1.weight @ x[j]) * filters * fade
        rows.append(conv.lin2.weight @ total + conv.lin2.bias)
    return torch.stack(rows)


def test_schnet_layer_equals_its_equations_on_a_crystal() -> None:
    model = make_model(make_spec("SchNet", num_gaussians=6, num_filters=5))
    crystal = make_crystal(repeat=1, rattle=0.1)
    batch = make_batch(crystal)
    edges = Edges.of(batch, torch.float64)
    steps = torch.arange(-2, 3, dtype=torch.float64)
    images = torch.cartesian_prod(steps, steps, steps) @ torch.as_tensor(crystal.cell)
    conv = model.convs[0]
    output = conv(NodeState(batch.x, None), edges, model.geometry(edges, batch.pos)).x
    expected = schnet_by_hand(conv, batch.x, batch.pos, images, model.cutoff)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
