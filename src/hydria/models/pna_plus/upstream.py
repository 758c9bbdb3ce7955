"""HydraGNN's names of PNAPlus's weights."""

from __future__ import annotations

from hydria.models.pna import upstream as pna

CONV_RULES = (
    *pna.CONV_RULES,
    (r"rbf_lin\.(\w+)", r"filter.\1"),
    (r"rbf_emb\.0\.(\w+)", r"embed.\1"),
)
MODEL_RULES = ((r"rbf\.freq", r"basis.frequencies"),)
