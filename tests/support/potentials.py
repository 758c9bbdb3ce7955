"""Builders of potentials, and of batches they are evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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


def emt_frames(count: int = 16, repeat: int = 1, seed: int = 0) -> list[Any]:
    """Rattled periodic Cu-Au crystals with energy, forces and stress of ASE's EMT."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator

    frames = []
    rng = np.random.default_rng(seed)
    for index in range(count):
        atoms = bulk("Cu", cubic=True).repeat((repeat + 1, repeat, repeat))
        atoms.numbers = rng.choice([29, 79], len(atoms))
        stretch = np.eye(3) * (0.98 + 0.15 * rng.random()) + rng.normal(0, 0.01, (3, 3))
        atoms.set_cell(atoms.cell @ stretch, scale_atoms=True)
        atoms.positions += rng.normal(0, 0.08, atoms.positions.shape)
        atoms.calc = EMT()
        names = {"energy": "energy", "forces": "forces", "stress": "stress"}
        found = {name: atoms.calc.get_property(key, atoms) for name, key in names.items()}
        atoms.calc = SinglePointCalculator(atoms, **found)
        atoms.info["config_type"] = "hot" if index % 2 else "cold"
        frames.append(atoms)
    return frames


def potential_tree(
    folder: Path, architecture: Mapping[str, Any] | None = None, **training: Any
) -> dict[str, Any]:
    """A small config over frames in `folder`, which are written when missing."""
    from ase.io import write

    file = folder / "frames.extxyz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write(file, emt_frames(), format="extxyz")
    return {
        "Verbosity": {"level": 0},
        "Dataset": {
            "name": "emt",
            "format": "extxyz",
            "path": {"total": str(file)},
            "node_features": {"name": ["atomic_numbers", "forces"], "dim": [1, 3]},
            "graph_features": {"name": ["energy", "stress"], "dim": [1, 6]},
        },
        "NeuralNetwork": {
            "Architecture": {
                "mpnn_type": "PAINN",
                "radius": 3.5,
                "num_radial": 5,
                "hidden_dim": 8,
                "num_conv_layers": 2,
                "periodic_boundary_conditions": True,
                "activation_function": "silu",
                "output_heads": {"node": {"num_headlayers": 1, "dim_headlayers": [8]}},
                "enable_interatomic_potential": True,
                "energy_peratom_weight": 1.0,
                "force_weight": 5.0,
                "stress_weight": 1.0,
                **(architecture or {}),
            },
            "Variables_of_interest": {
                "input_node_features": [0],
                "output_names": ["energy"],
                "output_index": [0],
                "type": ["node"],
            },
            "Training": {
                "num_epoch": 2,
                "batch_size": 4,
                "perc_train": 0.7,
                "Scheduler": {"type": "ConstantLR"},
                **training,
            },
        },
    }
