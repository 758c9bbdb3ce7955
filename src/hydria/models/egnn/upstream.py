"""HydraGNN's names of EGNN's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"edge_mlp\.0\.(\w+)", r"first.\1"),
    (r"edge_mlp\.2\.(\w+)", r"second.\1"),
    (r"node_mlp\.(\d)\.(\w+)", r"node_mlp.\1.\2"),
    (r"coord_mlp\.(\d)\.(\w+)", r"coord_mlp.\1.\2"),
)
MODEL_RULES = ()
