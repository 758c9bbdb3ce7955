"""Builders of potentials, and of batches they are evaluated on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hydria.config.potential import LENGTHS_ONLY, TOPOLOGY_ONLY, PotentialSpec
from hydria.config.spec import HeadSpec, ModelSpec
from hydria.graph.batch import GraphBatch
from hydria.models.potential import Potential
from hydria.models.registry import ARCHITECTURES
from tests.support.graphs import Structure
from tests.support.models import CUTOFF, edges_of, make_model, make_spec

POTENTIALS = [name for name in ARCHITECTURES if name not in TOPOLOGY_ONLY]
ENERGIES = {"H": -3.0, "C": -7.5, "O": -5.0, "Cu": -3.7, "Au": -3.2}


def potential_spec(
    mpnn_type: str,
    *,
    kind: str = "node",
    smooth: bool = True,
    short_range: str | None = None,
    **options: Any,
) -> ModelSpec:
    """A small potential."""
    spec = make_spec(
        mpnn_type,
        edge_features=mpnn_type in LENGTHS_ONLY,
        enable_interatomic_potential=True,
        **{"graph_pooling": "add", **options},
    )
    return spec.model_copy(
        update={
            "heads": (HeadSpec(name="energy", kind=kind, dim=1, weight=1.0),),
            "input_dim": 1,
            "potential": PotentialSpec(
                energy_kind=kind,
                reference_energies=ENERGIES,
                scale=0.7,
                short_range=short_range,
                smooth=smooth,
            ),
        }
    )


def make_potential(spec: ModelSpec, seed: int = 0) -> Potential:
    """A potential in eval mode with fixed random weights, which computes stress too."""
    model = make_model(spec, seed)
    assert isinstance(model, Potential)
    if spec.architecture.mpnn_type == "DimeNet":  # many layers: energies would be huge
        for parameter in model.parameters():
            parameter.data *= 0.6
    model.with_stress = True
    return model


def potential_fields(structure: Structure, cutoff: float = CUTOFF) -> dict[str, torch.Tensor]:
    """The fields of one structure as a potential wants them, in float64."""
    edges = edges_of(structure, cutoff)
    cell = np.eye(3) * 50.0 if structure.cell is None else structure.cell
    return {
        "x": torch.as_tensor(structure.numbers.astype(np.float64) / 50)[:, None],
        "z": torch.as_tensor(structure.numbers),
        "pos": torch.as_tensor(structure.pos),
        "edge_index": torch.as_tensor(edges.edge_index),
        "edge_shifts": torch.as_tensor(edges.edge_shifts),
        "cell": torch.as_tensor(cell)[None],
    }


def potential_batch(*structures: Structure) -> GraphBatch:
    """The batch of some structures."""
    graphs = [potential_fields(structure) for structure in structures]
    counts = torch.tensor([len(graph["pos"]) for graph in graphs])
    ptr = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    fields = {
        name: torch.cat([graph[name] for graph in graphs])
        for name in ("x", "z", "pos", "edge_shifts", "cell")
    }
    indices = [graph["edge_index"] + ptr[number] for number, graph in enumerate(graphs)]
    fields |= {"edge_index": torch.cat(indices, dim=1), "ptr": ptr}
    fields["batch"] = torch.repeat_interleave(torch.arange(len(graphs)), counts)
    return GraphBatch(fields)
