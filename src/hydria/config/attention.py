"""What global attention asks of an architecture."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.config.architectures.base import WITH_VECTORS, Architecture
from hydria.core.errors import Problem

ARCHITECTURE = "NeuralNetwork.Architecture"
TRANSFORMER = "EquivariantTransformer"
# HydraGNN's names for attention with scalars alone, and the values that ask for it
SCALARS_ONLY = {
    "equivariant_attn_allow_scalar_only": True,
    "equivariant_attn_require_tensor_coupling": False,
}


def problems_of(architecture: Architecture) -> Iterator[Problem]:
    """Options of global attention that contradict one another."""
    if architecture.global_attn_engine is None:
        return
    if architecture.global_attn_heads == 0:
        yield Problem(f"{ARCHITECTURE}.global_attn_heads", "expected a number > 0, got 0")
    if architecture.global_attn_engine == TRANSFORMER:
        yield from _of_transformer(architecture)
    else:
        yield from _of_gps(architecture)


def _of_gps(architecture: Architecture) -> Iterator[Problem]:
    heads, width = architecture.global_attn_heads, architecture.hidden_dim
    if heads and width % heads:
        yield Problem(
            f"{ARCHITECTURE}.hidden_dim",
            f"expected a multiple of global_attn_heads = {heads}, got {width}",
            f"{width - width % heads or heads} and {width - width % heads + heads} are near",
        )
    if architecture.global_attn_type is None:
        yield Problem(
            f"{ARCHITECTURE}.global_attn_type",
            "expected one of multihead, performer, performer_relu, got none",
        )


def _of_transformer(architecture: Architecture) -> Iterator[Problem]:
    name = architecture.mpnn_type
    if architecture.periodic_boundary_conditions:
        yield Problem(
            f"{ARCHITECTURE}.periodic_boundary_conditions",
            f"expected false, because {TRANSFORMER} attends to each atom once, at its place, and "
            "knows no periodic images; got true",
            "global_attn_engine GPS does not look at places",
        )
    if name == "MACE" and architecture.num_conv_layers < 2:
        yield Problem(
            f"{ARCHITECTURE}.num_conv_layers",
            f"expected at least 2, because {TRANSFORMER} stands behind all layers of MACE but "
            f"the last; got {architecture.num_conv_layers}",
        )
    if name in WITH_VECTORS:
        return
    for option, value in SCALARS_ONLY.items():
        if getattr(architecture, option) is not value:
            yield Problem(
                f"{ARCHITECTURE}.{option}",
                f"expected {str(value).lower()}, because {name} has no vector features, so that "
                f"{TRANSFORMER} sees its scalars only; got {str(not value).lower()}",
                f"{', '.join(sorted(WITH_VECTORS))} have vectors",
            )
