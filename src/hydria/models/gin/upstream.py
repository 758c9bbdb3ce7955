"""HydraGNN's names of GIN's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"eps", r"eps"),
    (r"nn\.(\d\.\w+)", r"mlp.\1"),
)
MODEL_RULES = ()
