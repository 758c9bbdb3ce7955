"""A potential as a file that needs nothing of what trained it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from hydria.core.files import replace_atomically
from hydria.graph.batch import GraphBatch
from hydria.nn.functions import plain_operations
from hydria.potential.exported import DESCRIPTION, SCHEMA, ExportedEvaluator
from hydria.potential.predict import batch_of
from hydria.potential.trained import TrainedEvaluator
from hydria.runtime.versions import versions
from hydria.workloads.trained import load_trained

SUFFIX = ".pt2"


def export_potential(run_dir: Path, out: Path, checkpoint: str = "best", branch: int = 0) -> Path:
    """Write the potential of a run as an exported program of torch.

    The program gives the energy of one structure from positions, atomic numbers and neighbours;
    forces and stress are its derivatives. Beside it the file holds what it is: cutoff, elements,
    spec and versions.

    Args:
        run_dir: the run folder.
        out: the file to write.
        checkpoint: best, last, the name of a checkpoint of the run, or its folder.
        branch: of a potential trained on several data sets, the one to export.

    Raises:
        HydriaError: if the run is that of no potential.
    """
    trained = load_trained(run_dir, checkpoint)
    evaluator = TrainedEvaluator(trained, torch.device("cpu"))
    program = recorded(evaluator, branch)
    description = {
        "schema": SCHEMA,
        "cutoff": evaluator.cutoff,
        "max_neighbours": evaluator.max_neighbours,
        "elements": sorted(evaluator.elements),
        "dtype": str(evaluator.dtype).removeprefix("torch."),
        "units": {"energy": "eV", "length": "Å"},
        "spec": trained.spec.model_dump(mode="json"),
        "run": run_dir.resolve().name,
        "checkpoint": trained.checkpoint.name,
        "versions": versions(),
    }
    with replace_atomically(out) as temporary, temporary.open("wb") as stream:
        torch.export.save(program, stream, extra_files={DESCRIPTION: json.dumps(description)})
    ExportedEvaluator(out, torch.device("cpu"))  # it can be read again
    return out


class EnergyOfStructure(nn.Module):
    """The energy of one structure from plain tensors."""

    def __init__(self, evaluator: TrainedEvaluator, branch: int) -> None:
        super().__init__()
        self.potential = evaluator.model
        self.register_buffer("inputs", evaluator.inputs.to(evaluator.dtype))
        self.branch = branch

    def forward(
        self,
        pos: Tensor,
        numbers: Tensor,
        edge_index: Tensor,
        edge_shifts: Tensor,
        structure: Tensor,
        ptr: Tensor,
    ) -> Tensor:
        """(N, 3), (N,), (2, E), (E, 3), (N,) zeros, (2,) 0 and N → (1,) energy, eV."""
        fields = {
            "pos": pos,
            "z": numbers,
            "x": self.get_buffer("inputs").index_select(0, numbers),
            "edge_index": edge_index,
            "edge_shifts": edge_shifts,
            "batch": structure,
            "ptr": ptr,
            "dataset_name": torch.full((1, 1), self.branch),
        }
        return self.potential.energies(GraphBatch(fields))


def recorded(evaluator: TrainedEvaluator, branch: int) -> Any:
    """The exported program of `EnergyOfStructure`, for structures of any size."""
    example = example_batch(evaluator)
    names = ("pos", "z", "edge_index", "edge_shifts", "batch", "ptr")
    values = tuple(example[name] for name in names)
    atoms, edges = Dim("atoms"), Dim("edges")
    sizes = ({0: atoms}, {0: atoms}, {1: edges}, {0: edges}, {0: atoms}, None)
    with plain_operations(), torch.no_grad():
        return torch.export.export(
            EnergyOfStructure(evaluator, branch), values, dynamic_shapes=sizes, strict=False
        )


def example_batch(evaluator: TrainedEvaluator) -> GraphBatch:
    """Some atoms of a known element, near enough to one another to have neighbours."""
    from ase import Atoms

    element = min(evaluator.elements, default=1)
    steps = torch.arange(5).double().unsqueeze(1) * 0.4 * evaluator.cutoff
    chain = Atoms(numbers=[element] * 5, positions=(steps * torch.tensor([1.0, 0.3, 0.1])).numpy())
    batch = batch_of([chain], evaluator.cutoff, evaluator.max_neighbours)
    return batch.to(dtype=evaluator.dtype)
