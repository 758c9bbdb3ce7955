"""A network as an interatomic potential: energy, and forces and stress as its derivatives."""

from __future__ import annotations

from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor, nn

from hydria.config.potential import PotentialSpec
from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.graph.derivatives import PotentialOutputs, derivatives
from hydria.models.base import MessagePassingStack, graphs_of, required_cutoff
from hydria.models.zbl import ZBL
from hydria.nn.edges import Edges
from hydria.nn.segments import Segments, segment_sum

NUM_ELEMENTS = 119


class Potential(nn.Module):
    """``E = Σ_i e(Z_i) + s · network + repulsion``, with forces and stress in one backward pass.

    The network is any `MessagePassingStack` that sees distances. An energy of the kind `node` is
    summed over atoms; one of the kind `graph` is the network's own sum, or with mean pooling an
    energy per atom. The stress is the derivative with respect to a symmetric strain of positions
    and lattice.
    """

    def __init__(self, spec: ModelSpec, network: MessagePassingStack) -> None:
        """Wrap a network.

        Args:
            spec: with `potential`; the only head is the energy.
            network: built from the same spec.
        """
        super().__init__()
        assert spec.potential is not None
        self.spec, self.network = spec, network
        self.with_stress = False
        own = spec.potential
        self.scale = own.scale
        # no buffer, which would follow the network to its precision
        self.reference = _reference(own)
        self.repulsion = ZBL(required_cutoff(spec)) if own.short_range == "ZBL" else None

    @property
    def recompute(self) -> bool:
        """Whether activations of the convolutions are computed again in the backward pass."""
        return self.network.recompute

    @recompute.setter
    def recompute(self, value: bool) -> None:
        self.network.recompute = value

    def energies(self, batch: Any) -> Tensor:
        """(G,) energies, eV, in float64: sums of large terms."""
        graphs = graphs_of(batch)
        (output,) = self.network(batch)
        energy = self._interaction(output, graphs).double() * self.scale
        if self.repulsion is not None:
            edges = Edges.of(batch, batch.pos.dtype)
            energy = energy + self.repulsion(edges, batch.pos, batch.z, graphs).double()
        reference = self.reference.to(batch.z.device)
        return energy + _summed(reference[batch.z.view(-1).long()], graphs)

    def _interaction(self, output: Tensor, graphs: Segments) -> Tensor:
        """(G,) what the network gives for a structure."""
        assert self.spec.potential is not None
        if self.spec.potential.energy_kind == "node":
            return _summed(output[:, 0], graphs)
        if self.spec.architecture.graph_pooling == "mean":
            return output[:, 0] * graphs.counts.to(output.dtype)
        return output[:, 0]

    def forward(self, batch: Any) -> PotentialOutputs:
        """Energy and its derivatives; differentiable when gradients are recorded.

        Args:
            batch: with `pos`, `z`, and `edge_shifts` and `cell` where it is periodic.
        """
        return derivatives(
            self.energies,
            batch,
            dtype=self.network.outputs.dtype,
            with_stress=self.with_stress,
            differentiable=torch.is_grad_enabled() and self.training,
        )


def _summed(values: Tensor, graphs: Segments) -> Tensor:
    """(N,) → (G,)."""
    return segment_sum(values.unsqueeze(1), graphs).squeeze(1)


def _reference(spec: PotentialSpec) -> Tensor:
    """(NUM_ELEMENTS,) energy of an atom, eV; elements that were not seen get the mean."""
    given = spec.reference_energies
    unknown = [symbol for symbol in given if symbol not in atomic_numbers]
    if unknown:
        raise ModelError(
            "NeuralNetwork.Potential.reference_energies: expected symbols of elements, got "
            f"{', '.join(unknown)}"
        )
    mean = sum(given.values()) / len(given) if given else 0.0
    energies = torch.full((NUM_ELEMENTS,), mean, dtype=torch.float64)
    for symbol, energy in given.items():
        energies[atomic_numbers[symbol]] = energy
    return energies
