"""HydraGNN's names of MFC's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"lins_l\.(\d+)\.(\w+)", r"neighbors.\2@\1"),
    (r"lins_r\.(\d+)\.(\w+)", r"own.\2@\1"),
)
MODEL_RULES = ()
