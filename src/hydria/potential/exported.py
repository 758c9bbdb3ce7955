"""Potentials in files of `hydria export`; of what trains them nothing is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hydria.core.errors import HydriaError
from hydria.graph.batch import GraphBatch
from hydria.graph.derivatives import PotentialOutputs, derivatives
from hydria.potential.evaluate import Evaluator

DESCRIPTION = "hydria.json"
SCHEMA = 1


class ExportedEvaluator(Evaluator):
    """The potential in a file; it takes one structure at a time.

    Attributes:
        description: what the file says of itself: spec, versions, the run it came from.
    """

    most_structures = 1

    def __init__(self, path: Path, device: torch.device, dtype: torch.dtype | None = None) -> None:
        """Read a file.

        Raises:
            HydriaError: if it is no such file, or of another precision.
        """
        found = {DESCRIPTION: ""}
        try:
            program = torch.export.load(path, extra_files=found)
            self.description: dict[str, Any] = json.loads(found[DESCRIPTION])
        except Exception as err:  # a damaged archive raises whatever its bytes make of it
            reason = str(err).splitlines()[0] if str(err) else type(err).__name__
            raise HydriaError(
                f"{path}: expected a potential that hydria export wrote, got {reason}"
            ) from err
        if self.description["schema"] != SCHEMA:
            raise HydriaError(
                f"{path}: expected schema {SCHEMA}, got {self.description['schema']}. "
                "Hint: it was written by another version"
            )
        self.dtype = getattr(torch, self.description["dtype"])
        if dtype not in (None, self.dtype):
            raise HydriaError(
                f"{path}: expected {self.description['dtype']}, the precision it was exported in, "
                f"got {str(dtype).removeprefix('torch.')}"
            )
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, str(device))
        self.device, self.program = device, program.module()
        self.cutoff = float(self.description["cutoff"])
        self.max_neighbours = self.description["max_neighbours"]
        self.elements = frozenset(self.description["elements"])

    def __call__(self, batch: GraphBatch, with_stress: bool) -> PotentialOutputs:
        """Energy, forces and stress of a batch of one structure."""
        batch = batch.to(self.device, self.dtype)
        return derivatives(self._energies, batch, dtype=self.dtype, with_stress=with_stress)

    def _energies(self, batch: GraphBatch) -> Tensor:
        energy: Tensor = self.program(
            batch.pos,
            batch.z.long(),
            batch.edge_index,
            batch.edge_shifts.to(self.dtype),
            batch.batch,
            batch.ptr,
        )
        return energy
