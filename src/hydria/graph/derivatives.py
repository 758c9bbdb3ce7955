"""Forces and stress as derivatives of an energy, in one backward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hydria.core.errors import ModelError
from hydria.graph.batch import GraphBatch

# Voigt's order: xx, yy, zz, yz, xz, xy
VOIGT = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


class PotentialOutputs(NamedTuple):
    """What a potential gives for a batch of G structures with N atoms."""

    energy: Tensor
    """(G,) eV."""
    forces: Tensor
    """(N, 3) eV/Å, -dE/dpos."""
    stress: Tensor | None
    """(G, 3, 3) eV/Å³, dE/dε over the volume: positive under tension; None if not asked for."""


def derivatives(
    energies: Callable[[Any], Tensor],
    batch: Any,
    *,
    dtype: torch.dtype,
    with_stress: bool,
    differentiable: bool = False,
) -> PotentialOutputs:
    """Energy, forces and stress of a batch.

    The stress is the derivative with respect to a symmetric strain of positions and lattice.

    Args:
        energies: from a batch to (G,) energies, eV.
        batch: with `pos`, and `edge_shifts` and `cell` where it is periodic.
        dtype: of the positions that are differentiated by.
        with_stress: whether stress is asked for.
        differentiable: whether all of it can be differentiated further.

    Raises:
        ModelError: if stress is asked for, and there is no lattice.
    """
    with torch.enable_grad():
        strained, pos, strain = _strained(batch, dtype, with_stress)
        energy = energies(strained)
        wanted = [pos] if strain is None else [pos, strain]
        slopes = torch.autograd.grad(
            energy.sum(), wanted, create_graph=differentiable, materialize_grads=True
        )
    stress = None
    if strain is not None:
        volume = torch.linalg.det(batch.cell).abs().to(slopes[1].dtype)
        stress = slopes[1] / volume.view(-1, 1, 1)
    return PotentialOutputs(energy if differentiable else energy.detach(), -slopes[0], stress)


def voigt(stress: Tensor) -> Tensor:
    """(G, 3, 3) → (G, 6): xx, yy, zz, yz, xz, xy."""
    return stress[:, VOIGT[0], VOIGT[1]]


def _strained(
    batch: Any, dtype: torch.dtype, with_stress: bool
) -> tuple[Any, Tensor, Tensor | None]:
    """The batch as a function of its positions, and of a strain that is zero."""
    pos = batch.pos.detach().to(dtype).requires_grad_()
    if not with_stress:
        return _replaced(batch, pos=pos), pos, None
    if getattr(batch, "cell", None) is None:
        raise ModelError("batch.cell: expected lattice vectors, because stress is asked for")
    strain = pos.new_zeros(batch.num_graphs, 3, 3, requires_grad=True)
    symmetric = 0.5 * (strain + strain.mT)
    fields = {"pos": pos + torch.bmm(pos.unsqueeze(1), symmetric[batch.batch]).squeeze(1)}
    shifts = getattr(batch, "edge_shifts", None)
    if shifts is not None:
        shifts = shifts.to(dtype)
        of_edge = symmetric[batch.batch[batch.edge_index[1]]]
        fields["edge_shifts"] = shifts + torch.bmm(shifts.unsqueeze(1), of_edge).squeeze(1)
    return _replaced(batch, **fields), pos, strain


def _replaced(batch: Any, **fields: Tensor) -> Any:
    if isinstance(batch, GraphBatch):
        return batch.replace(**fields)
    other = copy.copy(batch)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
