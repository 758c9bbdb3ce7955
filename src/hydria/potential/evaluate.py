"""Potentials ready to be evaluated, from a run folder or from an exported file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import torch
from ase.data import atomic_numbers, chemical_symbols

from hydria.core.errors import HydriaError
from hydria.data.elements import inputs_by_element
from hydria.graph.batch import GraphBatch
from hydria.models.base import required_cutoff
from hydria.models.potential import Potential, PotentialOutputs
from hydria.workloads.trained import Trained, load_trained


class Evaluator(ABC):
    """A potential on a device.

    Attributes:
        cutoff: of the neighbours, Å.
        max_neighbours: cap on them, or None.
        elements: atomic numbers of the training set; empty where nobody knows.
        device, dtype: where and how it computes.
    """

    cutoff: float
    max_neighbours: int | None
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


class TrainedEvaluator(Evaluator):
    """The potential of a run."""

    def __init__(
        self, trained: Trained, device: torch.device, dtype: torch.dtype | None = None
    ) -> None:
        """Move the model; `dtype` as it was trained when left out.

        Raises:
            HydriaError: if it is no potential.
        """
        if not isinstance(trained.model, Potential):
            raise HydriaError(
                f"{trained.checkpoint}: expected an interatomic potential, got a model of other "
                "properties. Hint: enable_interatomic_potential trains one"
            )
        self.dtype = dtype or trained.model.network.outputs.dtype
        self.device = device
        self.model = trained.model.to(device=device, dtype=self.dtype)
        # neither weights nor batch norm are trained here
        self.model.requires_grad_(False).eval()
        self.inputs = torch.as_tensor(inputs_by_element(trained.config, trained.summary))
        self.cutoff = required_cutoff(trained.spec)
        self.max_neighbours = trained.spec.architecture.max_neighbours
        assert trained.spec.potential is not None
        self.elements = frozenset(
            atomic_numbers[symbol] for symbol in trained.spec.potential.reference_energies
        )

    def __call__(self, batch: GraphBatch, with_stress: bool) -> PotentialOutputs:
        """Energy, forces and stress of a batch without node features."""
        self.model.with_stress = with_stress
        batch = batch.replace(x=self.inputs[batch.z])
        outputs: PotentialOutputs = self.model(batch.to(self.device, self.dtype))
        return outputs


def load_evaluator(
    source: Path,
    checkpoint: str = "best",
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Evaluator:
    """The potential of a run folder.

    Raises:
        HydriaError: if there is none.
    """
    return TrainedEvaluator(load_trained(source, checkpoint), device or torch.device("cpu"), dtype)
