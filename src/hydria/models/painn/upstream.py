"""HydraGNN's names of PaiNN's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"scalar_message_mlp\.(\d)\.(\w+)", r"message.scalars.\1.\2"),
    (r"filter_layer\.(\w+)", r"message.filter.\1"),
    (r"edge_filter\.(\d)\.(\w+)", r"message.edge_filter.\1.\2"),
    (r"update_U\.(\w+)", r"update.first.\1"),
    (r"update_V\.(\w+)", r"update.second.\1"),
    (r"update_mlp\.(\d)\.(\w+)", r"update.gates.\1.\2"),
    (r"(\d\.\w+)", r"embed_scalars.\1"),
    (r"weight", r"embed_vectors.weight"),
)
MODEL_RULES = ()
