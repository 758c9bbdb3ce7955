"""A network as an interatomic potential: energy, and forces and stress as its derivatives."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from ase.data import atomic_numbers
from torch import Tensor, nn

from hydria.config.potential import PotentialSpec
from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.graph.batch import GraphBatch
from hydria.models.base import MessagePassingStack, graphs_of, required_cutoff
from hydria.models.zbl import ZBL
from hydria.nn.edges import Edges
from hydria.nn.segments import Segments, segment_sum

NUM_ELEMENTS = 119
# Voigt's order: xx, yy, zz, yz, xz, xy
VOIGT = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


class PotentialOutputs(NamedTuple):
    """What a potential gives for a batch of G structures with N atoms."""

    energy: Tensor
    """(G,) eV."""
    forces: Tensor
    """(N, 3) eV/Å, -dE/dpos."""
    stress: Tensor | None
    """(G, 3, 3) eV/Å³, dE/dε over the volume: positive under tension; None without a lattice."""


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
        differentiable = torch.is_grad_enabled() and self.training
        with torch.enable_grad():
            strained, pos, strain = self._strained(batch)
            energy = self.energies(strained)
            wanted = [pos] if strain is None else [pos, strain]
            slopes = torch.autograd.grad(
                energy.sum(),
                wanted,
                create_graph=differentiable,
                materialize_grads=True,
            )
        stress = None
        if strain is not None:
            volume = torch.linalg.det(batch.cell).abs().to(slopes[1].dtype)
            stress = slopes[1] / volume.view(-1, 1, 1)
        if not differentiable:
            energy = energy.detach()
        return PotentialOutputs(energy, -slopes[0], stress)

    def _strained(self, batch: Any) -> tuple[Any, Tensor, Tensor | None]:
        """The batch as a function of its positions, and of a strain that is zero."""
        pos = batch.pos.detach().to(self.network.outputs.dtype).requires_grad_()
        if not self.with_stress:
            return _replaced(batch, pos=pos), pos, None
        if getattr(batch, "cell", None) is None:
            raise ModelError("batch.cell: expected lattice vectors, because stress is asked for")
        graph = graphs_of(batch).index
        strain = pos.new_zeros(batch.num_graphs, 3, 3, requires_grad=True)
        symmetric = 0.5 * (strain + strain.mT)
        fields = {"pos": pos + torch.bmm(pos.unsqueeze(1), symmetric[graph]).squeeze(1)}
        shifts = getattr(batch, "edge_shifts", None)
        if shifts is not None:
            shifts = shifts.to(pos.dtype)
            of_edge = symmetric[graph[batch.edge_index[1]]]
            fields["edge_shifts"] = shifts + torch.bmm(shifts.unsqueeze(1), of_edge).squeeze(1)
        return _replaced(batch, **fields), pos, strain


def voigt(stress: Tensor) -> Tensor:
    """(G, 3, 3) → (G, 6): xx, yy, zz, yz, xz, xy."""
    return stress[:, VOIGT[0], VOIGT[1]]


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


def _replaced(batch: Any, **fields: Tensor) -> Any:
    if isinstance(batch, GraphBatch):
        return batch.replace(**fields)
    other = copy.copy(batch)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
