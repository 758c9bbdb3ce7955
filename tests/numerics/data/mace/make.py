"""Run mace-torch, and write what `tests/numerics/test_mace_torch.py` compares with.

    python -m venv /tmp/mace
    /tmp/mace/bin/pip install mace-torch==0.3.16
    /tmp/mace/bin/pip install --no-deps e3nn==0.6.0
    /tmp/mace/bin/python tests/numerics/data/mace/make.py

mace-torch pins e3nn 0.4.4, so it runs in an environment of its own. That e3nn has other signs of
some couplings (e3nn pull request 341), which random weights would take over: hence the newer one.
Random weights, float64, on a CPU.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn's constants

import numpy as np
import torch
from e3nn import nn, o3
from mace.data.neighborhood import get_neighborhood
from mace.modules import MACE
from mace.modules.blocks import RealAgnosticAttResidualInteractionBlock
from mace.modules.wrapper_ops import Linear

FOLDER = Path(__file__).resolve().parent
WIDTH, CUTOFF, NUM_RADIAL, NUM_NEIGHBORS = 4, 4.0, 5, 12.0
ELEMENTS = (29, 79)
# file → degrees, order of the products, radial basis, transform of distances
CASES = {
    "bessel": (3, 3, "bessel", "None"),
    "chebyshev": (2, 2, "chebyshev", "Agnesi"),
}


class ResidualInteraction(RealAgnosticAttResidualInteractionBlock):
    """The block with a radial network as wide as the features, where MACE has 64 and 256.

    MACE adds the skip connection of the first layer only if the name says Residual.
    """

    def _setup(self) -> None:
        super()._setup()
        down = o3.Irreps(f"{WIDTH}x0e")
        self.linear_down = Linear(self.node_feats_irreps, down)
        widths = [NUM_RADIAL + 2 * WIDTH, *[WIDTH] * 3, self.conv_tp.weight_numel]
        self.conv_tp_weights = nn.FullyConnectedNet(widths, torch.nn.functional.silu)


def structure(seed: int) -> dict[str, np.ndarray]:
    """Eight atoms in a skewed periodic cell, shorter than twice the cutoff."""
    rng = np.random.default_rng(seed)
    cell = np.array([[4.1, 0.3, 0.0], [0.0, 4.4, 0.5], [0.6, 0.0, 4.0]])
    corners = np.stack(np.meshgrid(*[[0.0, 0.5]] * 3, indexing="ij"), -1).reshape(-1, 3)
    pos = (corners + rng.normal(0, 0.05, corners.shape)) @ cell
    edge_index, shifts, _, _ = get_neighborhood(pos, CUTOFF, (True, True, True), cell)
    order = np.lexsort((edge_index[0], edge_index[1]))
    numbers = rng.choice(ELEMENTS, len(pos))
    return {
        "z": numbers,
        "pos": pos,
        "cell": cell,
        "edge_index": edge_index[:, order],
        "edge_shifts": shifts[order],
    }


def make(name: str) -> None:
    """Write one case."""
    lmax, correlation, radial_type, transform = CASES[name]
    torch.manual_seed(0)
    model = MACE(
        r_max=CUTOFF,
        num_bessel=NUM_RADIAL,
        num_polynomial_cutoff=5,
        max_ell=lmax,
        interaction_cls=ResidualInteraction,
        interaction_cls_first=ResidualInteraction,
        num_interactions=2,
        num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps(f"{WIDTH}x0e + {WIDTH}x1o"),
        MLP_irreps=o3.Irreps("4x0e"),
        atomic_energies=np.zeros(len(ELEMENTS)),
        avg_num_neighbors=NUM_NEIGHBORS,
        atomic_numbers=list(ELEMENTS),
        correlation=correlation,
        gate=torch.nn.functional.silu,
        radial_type=radial_type,
        distance_transform=transform,
    )
    crystal = structure(seed=1)
    one_hot = np.array(crystal["z"])[:, None] == np.array(ELEMENTS)
    data = {
        "positions": torch.tensor(crystal["pos"]),
        "cell": torch.tensor(crystal["cell"]),
        "node_attrs": torch.tensor(one_hot, dtype=torch.float64),
        "edge_index": torch.tensor(crystal["edge_index"], dtype=torch.long),
        "shifts": torch.tensor(crystal["edge_shifts"]),
        "unit_shifts": torch.zeros(len(crystal["edge_shifts"]), 3),
        "batch": torch.zeros(len(one_hot), dtype=torch.long),
        "ptr": torch.tensor([0, len(one_hot)]),
    }
    features = model(data, compute_force=False)["node_feats"]
    # the weights, without constants and without what reads energies out of the features
    weights = {
        f"state/{key}": value.detach().numpy()
        for key, value in model.named_parameters()
        if key.startswith(("node_embedding", "interactions", "products")) and value.numel()
    }
    inputs = {f"in/{key}": value for key, value in crystal.items()}
    outputs = {"out/features": features.detach().numpy()}
    np.savez_compressed(FOLDER / f"{name}.npz", **weights, **inputs, **outputs)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    for case in CASES:
        make(case)
