"""Potentials of runs as calculators of ASE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)

from hydria.core.errors import HydriaError
from hydria.graph.batch import GraphBatch
from hydria.graph.derivatives import VOIGT
from hydria.potential.evaluate import Evaluator, load_evaluator
from hydria.potential.neighbours import SkinList

DTYPES = {"fp32": torch.float32, "fp64": torch.float64}


class HydriaCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt) of a trained potential.

    >>> atoms.calc = HydriaCalculator("runs/dft_si_mlip")
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(
        self,
        source: str | Path,
        *,
        checkpoint: str = "best",
        device: str | torch.device = "cpu",
        precision: str | None = None,
        skin: float = 0.5,
        branch: int = 0,
        allow_unseen_elements: bool = False,
        **options: Any,
    ) -> None:
        """Load a potential.

        Args:
            source: the folder of a run, or a file of `hydria export`.
            checkpoint: of a run: best, last, the name of one, or its folder.
            device: where to compute.
            precision: fp32 or fp64; as it was trained when left out.
            skin: Å; neighbours are searched for anew when an atom has moved by half of it.
            branch: of a potential trained on several data sets, the one to use.
            allow_unseen_elements: compute elements that were not in the training set, too.
            options: of ASE's calculators.

        Raises:
            HydriaError: if there is no such potential.
        """
        super().__init__(**options)  # type: ignore[no-untyped-call]
        if precision not in (None, *DTYPES):
            raise HydriaError(f"precision: expected fp32 or fp64, got {precision!r}")
        self.evaluator: Evaluator = load_evaluator(
            Path(source), checkpoint, torch.device(device), DTYPES.get(precision or "")
        )
        self.allow_unseen_elements, self.branch = allow_unseen_elements, branch
        self.neighbours = SkinList(self.evaluator.cutoff, skin, self.evaluator.max_neighbours)
        self._checked: Any = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy", "forces"),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy and forces, and the stress where it is asked for.

        Raises:
            HydriaError: for elements that were not in the training set.
            PropertyNotImplementedError: for the stress of what is not periodic along all axes.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        self._check_elements(self.atoms)
        with_stress = "stress" in properties
        if with_stress and not self.atoms.pbc.all():
            raise PropertyNotImplementedError(
                "stress: expected atoms that are periodic along all axes, got pbc "
                f"{self.atoms.pbc.tolist()}"
            )
        energy, forces, stress = self.evaluator(self._batch(self.atoms), with_stress)
        self.results = {
            "energy": float(energy[0]),
            "free_energy": float(energy[0]),
            "forces": forces.double().cpu().numpy(),
        }
        if stress is not None:
            self.results["stress"] = stress[0].double().cpu().numpy()[VOIGT]

    def _check_elements(self, atoms: Atoms) -> None:
        if self.allow_unseen_elements or np.array_equal(self._checked, atoms.numbers):
            return
        self.evaluator.check_elements(atoms.numbers)
        self._checked = atoms.numbers.copy()

    def _batch(self, atoms: Atoms) -> GraphBatch:
        pairs = self.neighbours(atoms.positions, atoms.cell.array, atoms.pbc)
        number = len(atoms)
        fields = {
            "pos": torch.as_tensor(atoms.positions),
            "cell": torch.as_tensor(atoms.cell.array)[None],
            "z": torch.as_tensor(atoms.numbers),
            "edge_index": torch.as_tensor(pairs.edge_index),
            "edge_shifts": torch.as_tensor(pairs.edge_shifts),
            "batch": torch.zeros(number, dtype=torch.long),
            "ptr": torch.tensor([0, number]),
            "dataset_name": torch.tensor([[self.branch]]),
        }
        return GraphBatch(fields)
