"""One candidate of `bench_models.py`: a training step of an architecture, ours or a peer's.

`python models_worker.py ours|torch-geometric|calibration NAME` is a `harness.Candidate` (the
calibration has no use for a name);
`python models_worker.py graphs FILE.npz` writes the batch for peers in other environments.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import ase.calculators.emt  # noqa: F401  imported late otherwise, and counted as memory
import harness
import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.nn import CGConv, GATv2Conv, GINConv, MFConv, PNAConv, SAGEConv
from torch_geometric.nn.models import dimenet as pyg_dimenet
from torch_geometric.nn.models.schnet import CFConv, GaussianSmearing, ShiftedSoftplus

from hydria.data.sets.crystals import Alloy, Crystal, draw
from hydria.data.sets.lsms import ALLOY, COPPER, GOLD, energy
from hydria.graph.batch import GraphBatch
from hydria.models import build_model
from hydria.models.base import MessagePassingStack
from hydria.models.state import NodeState
from hydria.nn.edges import Edges
from tests.support.graphs import Structure
from tests.support.models import edges_of, graph_fields, join_graphs, make_spec

RATTLE = 0.08  # Å
RADIUS = 5.0  # Å
GRAPHS = 32
SEED = 2021
HIDDEN = 64
GAUSSIANS = 50
HEADS = 6
HEAD = {"num_headlayers": 2, "dim_headlayers": [HIDDEN, HIDDEN]}
OUTPUT_HEADS = {
    "graph": {"num_sharedlayers": 2, "dim_sharedlayers": HIDDEN, **HEAD},
    "node": {"type": "mlp", **HEAD},
}
DIMENET = {
    "basis_emb_size": 8,
    "int_emb_size": 64,
    "num_spherical": 7,
    "num_radial": 6,
    "num_before_skip": 1,
    "num_after_skip": 2,
}
# the options of upstream's figures
OPTIONS: dict[str, dict[str, Any]] = {
    "SchNet": {"num_filters": HIDDEN, "num_gaussians": GAUSSIANS},
    "EGNN": {"equivariance": True},
    "DimeNet": {**DIMENET, "out_emb_size": 128},
    "GAT": {"heads": HEADS},
    "MACE": {"max_ell": 2, "node_max_ell": 1, "correlation": 2, "num_radial": 8},
}
# those that see distances through edge features
WITH_LENGTHS = frozenset({"PNA", "CGCNN", "GAT"})


def crystals() -> list[Crystal]:
    """One batch of periodic fcc Cu-Au cells: composition drawn evenly, lattice by Vegard's rule."""
    alloy = Alloy((COPPER, GOLD), lattice=ALLOY.lattice, rattle=RATTLE)
    rng = np.random.RandomState(SEED)
    return [draw(alloy, rng) for _ in range(GRAPHS)]


def structure_of(crystal: Crystal) -> Structure:
    """The crystal as the builders of tests take it."""
    cell, pbc = np.eye(3) * crystal.edge, np.ones(3, dtype=bool)
    return Structure(crystal.numbers.astype(np.int64), crystal.pos, cell, pbc)


def energies(drawn: list[Crystal]) -> Tensor:
    """(G, 1) EMT energies, Ry per atom."""
    found = [energy(crystal) / len(crystal.numbers) for crystal in drawn]
    return torch.tensor(found).unsqueeze(1)


def make_batch(drawn: list[Crystal], name: str) -> GraphBatch:
    """The crystals as the architecture wants them: 64 columns for CGCNN, elements for MACE."""
    structures = [structure_of(crystal) for crystal in drawn]
    graphs = [graph_fields(s, edges_of(s, RADIUS), torch.float32) for s in structures]
    batch = join_graphs(graphs, torch.float32)
    numbers = torch.as_tensor(np.concatenate([s.numbers for s in structures]))
    if name == "MACE":
        return batch.replace(x=numbers.float().unsqueeze(1))
    if name == "CGCNN":
        columns = torch.randn(2, HIDDEN)  # what upstream's width follows from
        return batch.replace(x=columns[(numbers == GOLD).long()])
    return batch


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


# a step, and what is to be told of it at the end
Made = tuple[Callable[[], object], Callable[[], dict[str, Any]]]

# layer from (in_dim, out_dim, degree histogram), and whether it takes the edge lengths
PEERS: dict[str, tuple[Callable[[int, int, Tensor], nn.Module], bool]] = {
    "PNA": (pna, True),
    "SchNet": (lambda in_dim, out_dim, degrees: SchNetPeer(in_dim, out_dim), True),
    "CGCNN": (lambda in_dim, out_dim, degrees: CGConv(in_dim, 1), True),
    "GAT": (gat, True),
    "GIN": (gin, False),
    "SAGE": (lambda in_dim, out_dim, degrees: SAGEConv(in_dim, out_dim), False),
    "MFC": (lambda in_dim, out_dim, degrees: MFConv(in_dim, out_dim, len(degrees) - 1), False),
}


class DimeNetPeer(nn.Module):
    """torch-geometric's DimeNet++ blocks, as upstream strings them together.

    Its own triplets need torch_sparse, which has no wheel; these are made of ours, once.
    """

    def __init__(self, in_dim: int, out_dim: int, bases: DimeNetBases) -> None:
        super().__init__()
        self.bases = bases
        act = functional.silu
        self.embed = nn.Linear(in_dim, HIDDEN)
        self.embedding = pyg_dimenet.EmbeddingBlock(DIMENET["num_radial"], HIDDEN, act)
        self.embedding.emb = nn.Identity()  # of features, not of elements
        self.interaction = pyg_dimenet.InteractionPPBlock(HIDDEN, act=act, **DIMENET)
        self.output = pyg_dimenet.OutputPPBlock(
            DIMENET["num_radial"], HIDDEN, 128, out_dim, 1, act, "glorot_orthogonal"
        )

    def forward(self, nodes: NodeState, edges: Edges, geometry: object) -> NodeState:
        radial, spherical, kj, ji = self.bases(edges)
        x = self.embedding(self.embed(nodes.x), radial, edges.target, edges.source)
        x = self.interaction(x, radial, spherical, kj, ji)
        return NodeState(self.output(x, radial, edges.target, edges.num_nodes), None)


class DimeNetBases(nn.Module):
    """torch-geometric's bases of edges and triplets; made by the first layer of a step."""

    def __init__(self, pos: Tensor) -> None:
        super().__init__()
        self.pos = pos
        self.radial = pyg_dimenet.BesselBasisLayer(DIMENET["num_radial"], RADIUS, 5)
        shape = (DIMENET["num_spherical"], DIMENET["num_radial"])
        self.spherical = pyg_dimenet.SphericalBasisLayer(*shape, RADIUS, 5)
        self.made: tuple[Edges, tuple[Tensor, ...]] | None = None
        self.pairs: tuple[Tensor, Tensor] | None = None

    def forward(self, edges: Edges) -> tuple[Tensor, ...]:
        if self.made is None or self.made[0] is not edges:
            self.made = (edges, self._bases(edges))
        return self.made[1]

    def _bases(self, edges: Edges) -> tuple[Tensor, ...]:
        kj, ji = self.pairs or self._pairs(edges)
        vectors = edges.vectors(self.pos)
        lengths = vectors.norm(dim=1)
        to_j = vectors[ji]
        to_k = to_j + vectors[kj]
        sine = torch.linalg.cross(to_j, to_k).norm(dim=1)
        angles = torch.atan2(sine, (to_j * to_k).sum(1))
        return self.radial(lengths), self.spherical(lengths, angles, kj), kj, ji

    def _pairs(self, edges: Edges) -> tuple[Tensor, Tensor]:
        """Edges k → j and j → i of each triplet; k = i by number is none, as upstream has it."""
        counts = edges.by_target.counts[edges.source]
        ji = torch.repeat_interleave(torch.arange(len(counts)), counts)
        within = torch.arange(len(ji)) - (counts.cumsum(0) - counts)[ji]
        kj = edges.by_target.offsets[edges.source][ji] + within
        real = edges.source[kj] != edges.target[ji]
        self.pairs = kj[real], ji[real]
        return self.pairs


def make_model(name: str, batch: GraphBatch, candidate: str) -> MessagePassingStack:
    """Ours, or the same stack with torch-geometric's layers."""
    degrees = torch.bincount(torch.bincount(batch.edge_index[1]))
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
    spec = spec.model_copy(update={"input_dim": batch.x.shape[1]})
    torch.manual_seed(0)
    model = build_model(spec)
    if candidate == "ours":
        return model
    bases = DimeNetBases(batch.pos) if name == "DimeNet" else None
    for place, (width_in, width_out) in enumerate(pairwise(model.widths())):
        if bases is not None:
            model.convs[place] = DimeNetPeer(width_in, width_out, bases)
        else:
            make_layer, sees_lengths = PEERS[name]
            model.convs[place] = Peer(make_layer(width_in, width_out, degrees), sees_lengths)
    if candidate == "torch-geometric":
        model.geometry = lambda edges, pos: None  # its layers have their own
    return model


def training_step(name: str, candidate: str) -> Made:
    """One step (forward, loss, backward, AdamW), and what a step costs at least."""
    drawn = crystals()
    torch.manual_seed(1)
    batch = make_batch(drawn, name)
    targets = [energies(drawn), torch.randn(batch.num_nodes, 2)]
    model = make_model(name, batch, candidate)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)

    def loss_of() -> Tensor:
        losses = [functional.mse_loss(o, t) for o, t in zip(model(batch), targets, strict=True)]
        return torch.stack(losses).sum()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of().backward()
        optimizer.step()

    def facts() -> dict[str, Any]:
        return {"edges": batch.num_edges, **floor(loss_of)} if candidate == "ours" else {}

    return step, facts


def floor(loss_of: Callable[[], Tensor]) -> dict[str, float]:
    """Operations and bytes that a step cannot do without, counted in its forward pass.

    Three times the matrix products of the forward pass (the backward pass has two for each), and
    for each array kept for the backward pass, once written and twice read.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda x: x):
        loss = loss_of()
    del loss
    return {"flop": 3.0 * counter.get_total_flops(), "bytes": 3.0 * sum(kept.values())}


CALIBRATIONS = 4


def calibration() -> Made:
    """Two fixed kernels, known on the machine of upstream's figures, and two rates.

    The quickest of all turns counts: noise must not make upstream slower than it is.
    """
    edges, nodes = 41_665, 1_024
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(nodes).repeat_interleave(edges // nodes + 1)[:edges]
    source = torch.randint(0, nodes, (edges,), generator=generator)
    x = torch.randn(nodes, HIDDEN, requires_grad=True)
    features, back = torch.randn(edges, HIDDEN), torch.randn(edges, HIDDEN)
    weight = torch.randn(HIDDEN, 3 * HIDDEN, requires_grad=True)
    square, wide = torch.randn(1024, 1024), torch.randn(1 << 23)

    def product() -> None:
        joined = torch.cat([x[target], x[source], features], dim=1)
        functional.linear(joined, weight).backward(back)

    def gather() -> None:
        (x.index_select(0, target) + x.index_select(0, source)).backward(back)

    kernels: dict[str, Callable[[], object]] = {
        "product": product,
        "gather": gather,
        "matrix": lambda: square @ square,
        "copy": lambda: wide.clone(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in kernels}

    def step() -> None:
        # more than once a turn: the first finds the cache as others left it
        for kernel, call in list(kernels.items()) * CALIBRATIONS:
            start = time.process_time()
            call()
            seconds[kernel].append(time.process_time() - start)

    return step, lambda: {kernel: min(found) for kernel, found in seconds.items()}


def write_graphs(path: str) -> None:
    """The batch as mace-torch takes it."""
    drawn = crystals()
    batch = make_batch(drawn, "MACE")
    gold = (batch.x[:, 0] == GOLD).long()
    cells = torch.as_tensor(np.stack([structure_of(crystal).cell for crystal in drawn])).float()
    arrays = {
        "positions": batch.pos,
        "node_attrs": functional.one_hot(gold, 2).float(),
        "edge_index": batch.edge_index,
        "shifts": batch.edge_shifts,
        "unit_shifts": torch.zeros_like(batch.edge_shifts),  # only stresses look at them
        "cell": cells.flatten(0, 1),
        "batch": batch.batch,
        "ptr": batch.ptr,
        "energy": energies(drawn).flatten() * len(drawn[0].numbers),
    }
    np.savez(path, **{key: tensor.numpy() for key, tensor in arrays.items()})


def main() -> None:
    candidate, name = sys.argv[1:]
    torch.optim.AdamW([nn.Parameter(torch.zeros(1))])  # imports more, at its first use
    if candidate == "graphs":
        write_graphs(name)
    elif candidate == "calibration":
        harness.serve(calibration)
    else:
        harness.serve(lambda: training_step(name, candidate))


if __name__ == "__main__":
    main()
