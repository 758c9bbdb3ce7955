"""HydraGNN's names of CGCNN's weights."""

from __future__ import annotations

from typing import Any

from hydria.config.spec import ModelSpec

CONV_RULES = (
    (r"lin_f\.(\w+)", r"gate.\1"),
    (r"lin_s\.(\w+)", r"core.\1"),
)
MODEL_RULES = ()


def adapt_spec(spec: ModelSpec) -> ModelSpec:
    """Upstream knows no Gaussians here; without attention it is as wide as its input."""
    ignored: dict[str, Any] = {"num_gaussians": None}
    if spec.architecture.global_attn_engine is None:
        ignored["hidden_dim"] = spec.input_dim  # whatever the config says
    architecture = spec.architecture.model_copy(update=ignored)
    return spec.model_copy(update={"architecture": architecture})
