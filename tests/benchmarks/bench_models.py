"""Seconds of a training step, per architecture, against torch-geometric's layers in the same stack.

A batch of 32 fcc Cu-Au cells of 32 atoms (periodic, 0.08 Å rattle, radius 5 Å, about 43 000
edges), width 64, 3 convolutions, silu, a graph and a node head, float32, AdamW, one thread.
`python tests/benchmarks/bench_models.py [NAME…]` times some of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise

import harness
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import CGConv, GATv2Conv, GINConv, MFConv, PNAConv, SAGEConv
from torch_geometric.nn.models.schnet import CFConv, GaussianSmearing, ShiftedSoftplus

from hydria.models import build_model
from hydria.models.base import MessagePassingStack
from hydria.models.registry import ARCHITECTURES
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from tests.support.graphs import make_crystal
from tests.support.models import edges_of, graph_fields, join_graphs, make_spec

RADIUS = 5.0
HIDDEN = 64
GAUSSIANS = 50
HEADS = 6
HEAD = {"num_headlayers": 2, "dim_headlayers": [HIDDEN, HIDDEN]}
OUTPUT_HEADS = {
    "graph": {"num_sharedlayers": 2, "dim_sharedlayers": HIDDEN, **HEAD},
    "node": {"type": "mlp", **HEAD},
}
# where the defaults are not what upstream's published figures were taken with
OPTIONS = {
    "SchNet": {"num_filters": HIDDEN, "num_gaussians": GAUSSIANS},
    "EGNN": {"equivariance": True},
}
# those that see distances through edge features
WITH_LENGTHS = frozenset({"PNA", "CGCNN", "GAT"})


class Peer(nn.Module):
    """A torch-geometric layer in the place of one of ours."""

    def __init__(self, layer: nn.Module, sees_lengths: bool) -> None:
        super().__init__()
        self.layer = layer
        self.sees_lengths = sees_lengths

    def forward(self, nodes: NodeState, edges: Edges, geometry: object) -> NodeState:
        index = torch.stack((edges.source, edges.target))
        features = (edges.features,) if self.sees_lengths else ()
        return NodeState(self.layer(nodes.x, index, *features), None)


class SchNetPeer(nn.Module):
    """torch-geometric's continuous-filter layer with its distance basis."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.basis = GaussianSmearing(0.0, RADIUS, GAUSSIANS)
        filters = [nn.Linear(GAUSSIANS, HIDDEN), ShiftedSoftplus(), nn.Linear(HIDDEN, HIDDEN)]
        self.layer = CFConv(in_dim, out_dim, HIDDEN, nn.Sequential(*filters), RADIUS)

    def forward(self, x: Tensor, index: Tensor, features: Tensor) -> Tensor:
        lengths = features.flatten()
        return self.layer(x, index, lengths, self.basis(lengths))


def pna(in_dim: int, out_dim: int, degrees: Tensor) -> nn.Module:
    aggregators = ["mean", "min", "max", "std"]
    scalers = ["identity", "amplification", "attenuation", "linear"]
    return PNAConv(in_dim, out_dim, aggregators, scalers, degrees, edge_dim=1)


def gat(in_dim: int, out_dim: int, degrees: Tensor) -> nn.Module:
    concat = out_dim != HIDDEN
    options = {"heads": HEADS, "edge_dim": 1, "dropout": 0.25, "concat": concat}
    return GATv2Conv(in_dim, HIDDEN, **options)


def gin(in_dim: int, out_dim: int, degrees: Tensor) -> nn.Module:
    layers = nn.Sequential(nn.Linear(in_dim, out_dim), nn.ReLU(), nn.Linear(out_dim, out_dim))
    return GINConv(layers, 100.0, train_eps=True)


class CGCNNPeer(nn.Module):
    """torch-geometric's crystal layer after the same embedding as ours."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.embed = nn.Linear(in_dim, out_dim) if in_dim != out_dim else nn.Identity()
        self.layer = CGConv(out_dim, 1)

    def forward(self, x: Tensor, index: Tensor, features: Tensor) -> Tensor:
        return self.layer(self.embed(x), index, features)


# layer from (in_dim, out_dim, degree histogram), and whether it takes the edge lengths
PEERS: dict[str, tuple[Callable[[int, int, Tensor], nn.Module], bool]] = {
    "PNA": (pna, True),
    "SchNet": (lambda in_dim, out_dim, degrees: SchNetPeer(in_dim, out_dim), True),
    "CGCNN": (lambda in_dim, out_dim, degrees: CGCNNPeer(in_dim, out_dim), True),
    "GAT": (gat, True),
    "GIN": (gin, False),
    "SAGE": (lambda in_dim, out_dim, degrees: SAGEConv(in_dim, out_dim), False),
    "MFC": (lambda in_dim, out_dim, degrees: MFConv(in_dim, out_dim, len(degrees) - 1), False),
}


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

    def model_of(name: str) -> MessagePassingStack:
        spec = make_spec(
            name,
            edge_features=name in WITH_LENGTHS,
            precision="fp32",
            pna_deg=degrees.tolist(),
            hidden_dim=HIDDEN,
            num_conv_layers=3,
            radius=RADIUS,
            output_heads=OUTPUT_HEADS,
            **OPTIONS.get(name, {}),
        )
        torch.manual_seed(0)
        return build_model(spec)

    def candidates(name: str) -> Iterator[tuple[str, nn.Module]]:
        yield name, model_of(name)
        if name in PEERS:
            make_layer, sees_lengths = PEERS[name]
            model = model_of(name)
            for place, (width_in, width_out) in enumerate(pairwise(model.widths())):
                model.convs[place] = Peer(make_layer(width_in, width_out, degrees), sees_lengths)
            yield "torch-geometric", model

    numbers = np.concatenate([crystal.numbers for crystal in crystals])
    elements = batch.replace(x=torch.as_tensor(numbers, dtype=torch.float32).unsqueeze(1))
    for name in sys.argv[1:] or ARCHITECTURES:
        inputs = elements if name == "MACE" else batch
        calls = {label: make_step(model, inputs, targets) for label, model in candidates(name)}
        seconds = harness.interleaved(calls, repeats=7, warmup=2)
        bench.record(f"{name} step", seconds.pop(name), peers=seconds)
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
