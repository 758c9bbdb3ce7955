"""HydraGNN's names of DimeNet's weights."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import jv
from torch import Tensor

from hydria.config.spec import ModelSpec
from hydria.models.dimenet.basis import bessel_zeros

NUMBERED_MODULES = True
CONV_RULES = (
    (r"module_0\.(\w+)", r"lin.\1"),
    (r"module_1\.lin_rbf\.(\w+)", r"embedding.basis.\1"),
    (r"module_1\.edge_lin\.(\w+)", r"embedding.edge.\1"),
    (r"module_1\.lin\.(\w+)", r"embedding.lin.\1"),
    (r"module_2\.lin_rbf1\.(\w+)", r"interaction.basis_in.\1"),
    (r"module_2\.lin_rbf2\.(\w+)", r"interaction.basis_out.\1"),
    (r"module_2\.lin_sbf1\.(\w+)", r"interaction.spherical_in.\1"),
    (r"module_2\.lin_sbf2\.(\w+)", r"interaction.spherical_out.\1"),
    (r"module_2\.lin_kj\.(\w+)", r"interaction.source.\1"),
    (r"module_2\.lin_ji\.(\w+)", r"interaction.own.\1"),
    (r"module_2\.lin_(down|up)\.(\w+)", r"interaction.\1.\2"),
    (r"module_2\.layers_(before|after)_skip\.(.+)", r"interaction.\1.\2"),
    (r"module_2\.lin\.(\w+)", r"interaction.skip.\1"),
    (r"module_3\.lin_rbf\.(\w+)", r"output.basis.\1"),
    (r"module_3\.lin_up\.(\w+)", r"output.up.\1"),
    (r"module_3\.lins\.0\.(\w+)", r"output.hidden.\1"),
    (r"module_3\.lin\.(\w+)", r"output.last.\1"),
)
PERIODIC = (
    "HydraGNN's DimeNet left out angles between an atom and images of itself, this one has them"
)
MODEL_RULES = ((r"rbf\.freq", r"basis.frequencies"),)


def adapt_spec(spec: ModelSpec) -> ModelSpec:
    """Upstream's messages are as wide as what enters the layer, except for a single column."""
    architecture = spec.architecture.model_copy(update={"width_of_input": True})
    return spec.model_copy(update={"architecture": architecture})


def adapt(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the constants of the spherical basis, which upstream computes in float32."""
    num_radial = len(state["basis.frequencies"])
    columns = state["convs.0.interaction.spherical_in.weight"].shape[1]
    zeros = np.array(bessel_zeros(columns // num_radial, num_radial), dtype=np.float32)
    orders = np.arange(len(zeros), dtype=np.float32)[:, None] + np.float32(1.5)
    after = np.sqrt(np.float32(np.pi) / (2 * zeros)) * jv(orders, zeros)
    norms = 1 / (np.float32(0.5) * after**2) ** np.float32(0.5)
    for name, values in (("zeros", zeros), ("norms", norms)):
        state[f"spherical.{name}"] = torch.from_numpy(values).double()
    return state
