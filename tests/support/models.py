"""Builders of model specs, models and batches for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hydria.config.architectures import ARCHITECTURES
from hydria.config.spec import HeadSpec, ModelSpec
from hydria.graph.batch import GraphBatch
from hydria.graph.laplacian import laplacian_encodings
from hydria.graph.neighbors import EdgeSet, radius_graph
from hydria.models import build_model
from tests.support.graphs import Structure

CUTOFF = 4.0
INPUT_DIM = 2
# how large random weights are: large ones saturate architectures with tanh inside, and MACE scales
# its weights itself
WEIGHT_SCALE = {"PAINN": 1.0, "PNAEq": 1.2, "MACE": 4.0}
HEADS = {
    "graph": {
        "num_sharedlayers": 2,
        "dim_sharedlayers": 7,
        "num_headlayers": 2,
        "dim_headlayers": [6, 5],
    },
    "node": {"type": "mlp", "num_headlayers": 2, "dim_headlayers": [6, 5]},
}


def make_spec(
    mpnn_type: str,
    *,
    edge_features: bool = False,
    node_head: str = "mlp",
    num_nodes: int | None = None,
    gaussian_nll: bool = False,
    precision: str = "fp64",
    pna_deg: Sequence[int] = (0, 2, 5, 9, 14, 20, 12, 4),
    **architecture: Any,
) -> ModelSpec:
    """A small model with an energy per graph and a two-column output per node."""
    heads = {**HEADS, "node": {**HEADS["node"], "type": node_head}}
    options = {
        "mpnn_type": mpnn_type,
        "hidden_dim": 8,
        "num_conv_layers": 2,
        "radius": CUTOFF,
        "max_neighbours": 80,
        "activation_function": "silu",
        "edge_features": ["lengths"] if edge_features else [],
        "output_heads": heads,
        **architecture,
    }
    return ModelSpec(
        architecture=ARCHITECTURES[mpnn_type].model_validate(options),
        heads=(
            HeadSpec(name="energy", kind="graph", dim=1, weight=0.5),
            HeadSpec(name="dipole", kind="node", dim=2, weight=0.5),
        ),
        input_dim=1 if mpnn_type == "MACE" else INPUT_DIM,
        edge_dim=1 if edge_features else 0,
        num_nodes=num_nodes,
        pna_deg=tuple(pna_deg),
        avg_num_neighbors=12.0,
        gaussian_nll=gaussian_nll,
        precision=precision,
    )


@torch.no_grad()
def make_model(spec: ModelSpec, seed: int = 0) -> nn.Module:
    """A model in eval mode with fixed random weights and batch-norm statistics that matter.

    The weights are larger than fresh ones, so that the outputs differ clearly from atom to atom.
    """
    generator = torch.Generator().manual_seed(seed)
    model = build_model(spec)
    largest = WEIGHT_SCALE.get(spec.architecture.mpnn_type, 2.0)
    for parameter in model.parameters():
        scale = largest * parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.3
        parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    if spec.architecture.mpnn_type == "MACE":
        model.elements = _elements_of
    return model.eval()


def _elements_of(x: Tensor) -> Tensor:
    """Elements, hydrogen 0, from `features`; MACE itself wants the atomic number in their place."""
    return (x[:, 0] * 50).round().long().clamp(1, 118) - 1


def features(structure: Structure) -> NDArray[np.float64]:
    """(N, INPUT_DIM) inputs that follow from the atomic numbers."""
    numbers = structure.numbers.astype(np.float64)
    return np.stack([numbers / 50, np.cos(numbers)], axis=1)


def edges_of(structure: Structure, cutoff: float = CUTOFF) -> EdgeSet:
    """The neighbour list of a structure."""
    return radius_graph(structure.pos, structure.cell, structure.pbc, cutoff=cutoff)


def graph_fields(
    structure: Structure, edges: EdgeSet | None = None, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """The fields of one structure as a model wants them, edge lengths as edge features."""
    edges = edges_of(structure) if edges is None else edges
    floats = {
        "x": features(structure),
        "pos": structure.pos,
        "edge_shifts": edges.edge_shifts,
        "edge_attr": edges.edge_len[:, None],
    }
    return {
        **{name: torch.as_tensor(value).to(dtype) for name, value in floats.items()},
        "edge_index": torch.as_tensor(edges.edge_index),
    }


def make_batch(*structures: Structure, dtype: torch.dtype = torch.float64) -> GraphBatch:
    """The batch of some structures; of none it is empty."""
    return join_graphs([graph_fields(structure, dtype=dtype) for structure in structures], dtype)


def with_encodings(batch: GraphBatch, count: int) -> GraphBatch:
    """The batch with Laplacian encodings of its nodes."""
    index, ptr = batch.edge_index, batch.ptr
    owner = batch.batch[index[1]]
    edge_ptr = torch.searchsorted(owner, torch.arange(batch.num_graphs + 1))
    local = (index - ptr[owner]).numpy()
    found = laplacian_encodings(ptr.numpy(), edge_ptr.numpy(), local[0], local[1], count)
    return batch.replace(pe=torch.as_tensor(found).to(batch.x.dtype))


def join_graphs(
    graphs: Sequence[dict[str, Tensor]], dtype: torch.dtype = torch.float64
) -> GraphBatch:
    """One batch of graphs given by their fields."""
    counts = torch.tensor([len(graph["x"]) for graph in graphs], dtype=torch.long)
    ptr = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    empty = {
        "x": torch.zeros(0, INPUT_DIM, dtype=dtype),
        "pos": torch.zeros(0, 3, dtype=dtype),
        "edge_shifts": torch.zeros(0, 3, dtype=dtype),
        "edge_attr": torch.zeros(0, 1, dtype=dtype),
    }
    fields = {
        name: torch.cat([nothing, *[graph[name] for graph in graphs]])
        for name, nothing in empty.items()
    }
    indices = [graph["edge_index"] + ptr[number] for number, graph in enumerate(graphs)]
    fields["edge_index"] = torch.cat([torch.zeros(2, 0, dtype=torch.long), *indices], dim=1)
    fields["ptr"] = ptr
    fields["batch"] = torch.repeat_interleave(torch.arange(len(graphs)), counts)
    return GraphBatch(fields)
