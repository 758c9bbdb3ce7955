"""The potential of a run."""

from __future__ import annotations

import torch
from ase.data import atomic_numbers

from hydria.core.errors import HydriaError
from hydria.data.elements import inputs_by_element
from hydria.graph.batch import GraphBatch
from hydria.graph.derivatives import PotentialOutputs
from hydria.models.base import required_cutoff
from hydria.models.potential import Potential
from hydria.potential.evaluate import Evaluator
from hydria.workloads.trained import Trained


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
