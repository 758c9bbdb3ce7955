"""Data, model and loss of interatomic potentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hydria.config.potential import COLUMNS, LossWeights, stage_weights
from hydria.config.run import RunConfig
from hydria.core.errors import DataError
from hydria.data.prepare import PreparedData
from hydria.graph.derivatives import PotentialOutputs, voigt
from hydria.models.potential import Potential
from hydria.runtime.environment import Environment
from hydria.runtime.process_group import World
from hydria.train.losses import Loss, build_force_loss, build_loss
from hydria.train.task import Ids, Stage
from hydria.workloads.graphs import GraphTask


class PotentialTask(GraphTask):
    """Losses of energy, energy per atom, forces and stress; see `hydria.train.task.Task`.

    A term that weighs nothing in any stage of the training is left out.
    """

    model: Potential

    def __init__(
        self, config: RunConfig, prepared: PreparedData, world: World, environment: Environment
    ) -> None:
        super().__init__(config, prepared, world, environment)
        network = config.neural_network
        training = network.training
        stages = stage_weights(network.architecture, network.variables_of_interest, training)
        self.terms = tuple(
            name for name in LossWeights._fields if any(getattr(stage, name) for stage in stages)
        )
        self._check_targets()
        first, *later = ([getattr(stage, name) for name in self.terms] for stage in stages)
        self.weights = torch.tensor(first, dtype=torch.float64)
        self.stages = tuple(
            Stage(stage.epoch, torch.tensor(weights, dtype=torch.float64), stage.learning_rate)
            for stage, weights in zip(training.stages, later, strict=True)
        )
        plain = build_loss(training)
        self._losses = dict.fromkeys(self.terms, plain)
        if "forces" in self._losses:
            self._losses["forces"] = build_force_loss(training)
        self.model.with_stress = "stress" in self.store.graph

    def _check_targets(self) -> None:
        columns = {**self.store.node, **self.store.graph}
        for name in ("forces", "stress"):
            if name in self.terms and name not in columns:
                raise DataError(
                    f"{self.store.attrs.get('dataset', 'data')}: expected {name}, because they "
                    f"weigh in the loss, got none. Hint: name them in Dataset.node_features "
                    "(forces, 3 columns) or Dataset.graph_features (stress, 6 columns)"
                )
        if "stress" in columns and not ("pbc" in columns and columns["pbc"].all()):
            raise DataError(
                "stress: expected structures that are periodic along all axes, got others. "
                "Hint: leave stress out, or set periodic_boundary_conditions to true"
            )

    def counts(self, ids: Ids) -> Tensor:
        """(T,) numbers in the targets of each term."""
        atoms = int(self.nodes[ids].sum())
        rows = {"forces": atoms}
        counts = []
        for name, loss in self._losses.items():
            width = 1 if loss.per_row else COLUMNS.get(name, 1)
            counts.append(rows.get(name, len(ids)) * width)
        return torch.tensor(counts, dtype=torch.float64)

    def loss_sums(self, outputs: PotentialOutputs, batch: Any) -> Tensor:
        """(T,) sums of the losses over this part, float64."""
        return torch.stack(
            [SUMS[name](loss, outputs, batch).double() for name, loss in self._losses.items()]
        )

    def finish(self, means: Tensor) -> Tensor:
        """(T,) means → losses."""
        losses = zip(self._losses.values(), means, strict=True)
        return torch.stack([loss.finish(mean) for loss, mean in losses])


def _energy(loss: Loss, outputs: PotentialOutputs, batch: Any) -> Tensor:
    return loss.local_sum(outputs.energy, batch.energy[:, 0].to(outputs.energy))


def _energy_per_atom(loss: Loss, outputs: PotentialOutputs, batch: Any) -> Tensor:
    atoms = batch.ptr.diff().to(outputs.energy)
    return loss.local_sum(outputs.energy / atoms, batch.energy[:, 0].to(outputs.energy) / atoms)


def _forces(loss: Loss, outputs: PotentialOutputs, batch: Any) -> Tensor:
    return loss.local_sum(outputs.forces, batch.forces.to(outputs.forces))


def _stress(loss: Loss, outputs: PotentialOutputs, batch: Any) -> Tensor:
    assert outputs.stress is not None
    return loss.local_sum(voigt(outputs.stress), batch.stress.to(outputs.stress))


SUMS: dict[str, Callable[[Loss, PotentialOutputs, Any], Tensor]] = {
    "energy": _energy,
    "energy_per_atom": _energy_per_atom,
    "forces": _forces,
    "stress": _stress,
}
