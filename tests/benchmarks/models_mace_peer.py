"""mace-torch's step for `bench_models.py`, run by the Python of its own environment.

`python models_mace_peer.py GRAPHS.npz` is a `harness.Candidate`. The same sizes and the same
interaction block as in HydraGNN; it predicts energies only, and knows two elements, not 118.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # for the constants of its e3nn 0.4.4

import harness
import numpy as np
import torch
from e3nn import o3
from mace.modules import MACE, interaction_classes
from torch.nn import functional


def training_step() -> tuple[Callable[[], None], Callable[[], dict[str, Any]]]:
    """Forward, loss, backward, AdamW."""
    arrays = np.load(sys.argv[1])
    data = {key: torch.as_tensor(arrays[key]) for key in arrays.files}
    energy = data.pop("energy")
    avg_num_neighbors = data["edge_index"].shape[1] / len(data["positions"])
    block = interaction_classes["RealAgnosticAttResidualInteractionBlock"]
    torch.manual_seed(0)
    model = MACE(
        r_max=5.0,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=3,
        num_elements=2,
        hidden_irreps=o3.Irreps("64x0e + 64x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(2),
        avg_num_neighbors=avg_num_neighbors,
        atomic_numbers=[29, 79],
        correlation=2,
        gate=functional.silu,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        found = model(dict(data), training=True, compute_force=False)["energy"]
        functional.mse_loss(found, energy).backward()
        optimizer.step()

    return step, dict


if __name__ == "__main__":
    harness.serve(training_step)
