"""HydraGNN's names of GraphSAGE's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"lin_l\.(\w+)", r"neighbors.\1"),
    (r"lin_r\.(\w+)", r"own.\1"),
)
MODEL_RULES = ()
