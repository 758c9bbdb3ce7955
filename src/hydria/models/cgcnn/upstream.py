"""HydraGNN's names of CGCNN's weights."""

from __future__ import annotations

from hydria.config.spec import ModelSpec

CONV_RULES = (
    (r"lin_f\.(\w+)", r"gate.\1"),
    (r"lin_s\.(\w+)", r"core.\1"),
)
MODEL_RULES = ()


def adapt_spec(spec: ModelSpec) -> ModelSpec:
    """Upstream knows no Gaussians here, and is as wide as its input whatever `hidden_dim` says."""
    ignored = {"num_gaussians": None, "hidden_dim": spec.input_dim}
    architecture = spec.architecture.model_copy(update=ignored)
    return spec.model_copy(update={"architecture": architecture})
