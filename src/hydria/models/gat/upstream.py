"""HydraGNN's names of GAT's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"att", r"attention"),
    (r"bias", r"bias"),
    (r"lin_l\.(\w+)", r"source.\1"),
    (r"lin_r\.(\w+)", r"target.\1"),
    (r"lin_edge\.(\w+)", r"edge.\1"),
)
MODEL_RULES = ()
