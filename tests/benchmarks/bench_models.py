"""Seconds of a training step, per architecture, against torch-geometric's layers in the same stack.

A batch of 32 fcc Cu-Au cells of 32 atoms (periodic, 0.08 Å rattle, radius 5 Å, about 41 000
edges), width 64, 3 convolutions, silu, a graph and a node head, float32, AdamW, one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise

import harness
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import PNAConv
from torch_geometric.nn.models.schnet import CFConv, GaussianSmearing, ShiftedSoftplus

from hydria.models import build_model
from hydria.models.registry import ARCHITECTURES
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from tests.support.graphs import make_crystal
from tests.support.models import edges_of, graph_fields, join_graphs, make_spec

RADIUS = 5.0
HIDDEN = 64
HEAD = {"num_headlayers": 2, "dim_headlayers": [HIDDEN, HIDDEN]}
HEADS = {
    "graph": {"num_sharedlayers": 2, "dim_sharedlayers": HIDDEN, **HEAD},
    "node": {"type": "mlp", **HEAD},
}
# where the defaults are not what upstream's published figures were taken with
OPTIONS = {"SchNet": {"num_filters": HIDDEN, "num_gaussians": 50}}
# those that see distances through edge features
WITH_LENGTHS = frozenset({"PNA"})


class GeometricPNA(nn.Module):
    """torch-geometric's PNA layer in our stack."""

    def __init__(self, in_dim: int, out_dim: int, degrees: Tensor) -> None:
        super().__init__()
        aggregators = ["mean", "min", "max", "std"]
        scalers = ["identity", "amplification", "attenuation", "linear"]
        self.layer = PNAConv(in_dim, out_dim, aggregators, scalers, degrees, edge_dim=1)

    def forward(self, nodes: NodeState, edges: Edges, geometry: object) -> NodeState:
        return NodeState(self.layer(nodes.x, index_of(edges), edges.features), None)


class GeometricSchNet(nn.Module):
    """torch-geometric's continuous-filter layer in our stack, on the same edges."""

    def __init__(self, in_dim: int, out_dim: int, degrees: Tensor) -> None:
        super().__init__()
        filters = nn.Sequential(nn.Linear(50, HIDDEN), ShiftedSoftplus(), nn.Linear(HIDDEN, HIDDEN))
        self.basis = GaussianSmearing(0.0, RADIUS, 50)
        self.layer = CFConv(in_dim, out_dim, HIDDEN, filters, RADIUS)

    def forward(self, nodes: NodeState, edges: Edges, geometry: object) -> NodeState:
        assert edges.features is not None
        lengths = edges.features.flatten()
        return NodeState(self.layer(nodes.x, index_of(edges), lengths, self.basis(lengths)), None)


PEERS = {"PNA": GeometricPNA, "SchNet": GeometricSchNet}


def index_of(edges: Edges) -> Tensor:
    return torch.stack((edges.source, edges.target))


def make_step(model: nn.Module, batch: object, targets: list[Tensor]) -> Callable[[], None]:
    """One step: forward, loss, backward, AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        outputs = model(batch)
        loss = sum(functional.mse_loss(o, t) for o, t in zip(outputs, targets, strict=True))
        loss.backward()
        optimizer.step()

    return step


def main() -> int:
    bench = harness.Bench("models", ("torch", "torch-geometric", "numpy"))
    crystals = [make_crystal(2, 3.75, rattle=0.08, seed=seed) for seed in range(32)]
    graphs = [graph_fields(c, edges_of(c, RADIUS), torch.float32) for c in crystals]
    batch = join_graphs(graphs, torch.float32)
    degrees = torch.bincount(torch.bincount(batch.edge_index[1]))
    targets = [torch.randn(batch.num_graphs, 1), torch.randn(batch.num_nodes, 2)]
    print(f"{batch.num_graphs} graphs, {batch.num_nodes} nodes, {batch.num_edges} edges")

    def model_of(name: str) -> nn.Module:
        spec = make_spec(
            name,
            edge_features=name in WITH_LENGTHS,
            precision="fp32",
            pna_deg=degrees.tolist(),
            hidden_dim=HIDDEN,
            num_conv_layers=3,
            radius=RADIUS,
            output_heads=HEADS,
            **OPTIONS.get(name, {}),
        )
        torch.manual_seed(0)
        return build_model(spec)

    def peer_of(name: str) -> nn.Module:
        model = model_of(name)
        for layer, (width_in, width_out) in enumerate(pairwise([2, HIDDEN, HIDDEN, HIDDEN])):
            model.convs[layer] = PEERS[name](width_in, width_out, degrees)
        return model

    calls = {name: make_step(model_of(name), batch, targets) for name in ARCHITECTURES}
    theirs = {f"torch-geometric {name}": peer_of(name) for name in PEERS}
    calls |= {name: make_step(model, batch, targets) for name, model in theirs.items()}
    seconds = harness.interleaved(calls, repeats=7, warmup=2)
    for name in ARCHITECTURES:
        peer = f"torch-geometric {name}"
        peers = {peer: seconds[peer]} if peer in seconds else {}
        bench.record(f"{name} step", seconds[name], peers=peers)
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
