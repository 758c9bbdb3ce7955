"""HydraGNN's names of weights that options add to any architecture."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from hydria.config.architectures import Architecture

# stands for the name of each branch in turn
EVERY = "branch-*"

ATTENTION = (
    (r"pos_emb\.(\w+)", r"encodings.position.\1"),
    (r"node_emb\.(\w+)", r"encodings.node.\1"),
    (r"node_lin\.(\w+)", r"encodings.join.\1"),
    (r"rel_pos_emb\.(\w+)", r"encodings.relative.\1"),
    (r"edge_emb\.(\w+)", r"encodings.edge.\1"),
    (r"edge_lin\.(\w+)", r"encodings.edge_join.\1"),
    (r"graph_convs\.(\d+)\.attn\.in_proj_(\w+)", r"attentions.\1.attention.in_proj.\2"),
    (r"graph_convs\.(\d+)\.attn\.out_proj\.(\w+)", r"attentions.\1.attention.out_proj.\2"),
    (r"graph_convs\.(\d+)\.mlp\.(\d)\.(\w+)", r"attentions.\1.mlp.\2.\3"),
    *(
        (rf"graph_convs\.(\d+)\.norm{number}\.module\.(\w+)", rf"attentions.\1.norms.{place}.\2")
        for place, number in enumerate((1, 2, 3))
    ),
)


def option_rules(options: Architecture) -> Iterator[tuple[str, str]]:
    """Rules for attention and conditioning, as `hydria.models.upstream` uses them."""
    yield from ATTENTION
    nodes = f"conditionings.{options.hidden_dim}"
    yield r"graph_conditioner\.(.+)", rf"{nodes}.network.\1"
    yield r"graph_concat_projector\.(.+)", rf"{nodes}.join.\1"
    yield r"graph_pool_projector\.(.+)", rf"outputs.graph.{EVERY}.fuse.layers.\1"


def in_every_branch(state: dict[str, Tensor], options: Architecture) -> dict[str, Tensor]:
    """Give each branch its copy of what upstream's branches share."""
    branches = [branch.type for branch in options.output_heads.graph]
    return {
        name.replace(EVERY, branch): value
        for name, value in state.items()
        for branch in (branches if EVERY in name else [""])
    }
