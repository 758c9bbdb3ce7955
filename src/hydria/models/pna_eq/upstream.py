"""HydraGNN's names of PNAEq's weights."""

from __future__ import annotations

CONV_RULES = (
    (r"aggr_module\.(avg_deg_\w+)", r"/degrees.\1"),
    (r"pre_nns\.0\.0\.(\w+)", r"message.pre.\1"),
    (r"post_nns\.0\.0\.(\w+)", r"message.post.\1"),
    (r"rbf_emb\.0\.(\w+)", r"message.embed.\1"),
    (r"rbf_lin\.(\w+)", r"message.filter.\1"),
    (r"edge_encoder\.(\w+)", r"message.edge_encoder.\1"),
    (r"scalar_message_mlp\.0\.(\w+)", r"message.first.\1"),
    (r"scalar_message_mlp\.2\.(\w+)", r"message.second.\1"),
    (r"scalar_message_mlp\.4\.(\w+)", r"message.third.\1"),
    (r"update_X\.(\w+)", r"update.first.\1"),
    (r"update_V\.(\w+)", r"update.second.\1"),
    (r"update_mlp\.(\d)\.(\w+)", r"update.gates.\1.\2"),
    (r"(\d\.\w+)", r"embed_scalars.\1"),
    (r"weight", r"embed_vectors.weight"),
)
MODEL_RULES = ()
