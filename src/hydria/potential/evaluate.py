"""Potentials ready to be evaluated, from a run folder or from an exported file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import torch
from ase.data import chemical_symbols

from hydria.core.errors import HydriaError
from hydria.graph.batch import GraphBatch
from hydria.graph.derivatives import PotentialOutputs


class Evaluator(ABC):
    """A potential on a device.

    Attributes:
        cutoff: of the neighbours, Å.
        max_neighbours: cap on them, or None.
        most_structures: in a batch; None: any number.
        elements: atomic numbers of the training set; empty where nobody knows.
        device, dtype: where and how it computes.
    """

    cutoff: float
    max_neighbours: int | None
    most_structures: int | None = None
    elements: frozenset[int]
    device: torch.device
    dtype: torch.dtype

    @abstractmethod
    def __call__(self, batch: GraphBatch, with_stress: bool) -> PotentialOutputs:
        """Energy, forces and stress of a batch without node features."""

    def check_elements(self, numbers: Iterable[int]) -> None:
        """Refuse elements that were not in the training set.

        Raises:
            HydriaError: names them.
        """
        unseen = sorted({int(number) for number in numbers} - self.elements)
        if self.elements and unseen:
            names = ", ".join(chemical_symbols[number] for number in unseen)
            known = ", ".join(chemical_symbols[number] for number in sorted(self.elements))
            raise HydriaError(
                f"elements: expected those of the training set ({known}), got {names} too. "
                "Hint: allow_unseen_elements=True (--allow-unseen-elements) computes them anyway"
            )


def load_evaluator(
    source: Path,
    checkpoint: str = "best",
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Evaluator:
    """The potential of a run folder, or of a file that `hydria export` wrote.

    Raises:
        HydriaError: if there is none.
    """
    device = device or torch.device("cpu")
    # each with what it needs: a file needs nothing of what trains
    if source.is_file():
        from hydria.potential.exported import ExportedEvaluator

        return ExportedEvaluator(source, device, dtype)
    from hydria.potential.trained import TrainedEvaluator
    from hydria.workloads.trained import load_trained

    return TrainedEvaluator(load_trained(source, checkpoint), device, dtype)
