"""HydraGNN's names of PNA's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"aggr_module\.(avg_deg_\w+)", r"/degrees.\1"),
    (r"edge_encoder\.(\w+)", r"edge_encoder.\1"),
    (r"pre_nns\.0\.0\.(\w+)", r"pre.\1"),
    (r"post_nns\.0\.0\.(\w+)", r"post.\1"),
    (r"lin\.(\w+)", r"lin.\1"),
)
MODEL_RULES = ()
