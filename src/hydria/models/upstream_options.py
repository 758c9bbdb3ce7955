"""HydraGNN's names of weights that options add to any architecture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hydria.config.architectures import Architecture

Rule = tuple[str, str | None]
State = dict[str, Tensor]

# stands for the name of each branch in turn
EVERY = "branch-*"

ATTENTION: tuple[Rule, ...] = (
    (r"pos_emb\.(\w+)", r"encodings.position.\1"),
    (r"node_emb\.(\w+)", r"encodings.node.\1"),
    (r"node_lin\.(\w+)", r"encodings.join.\1"),
    (r"rel_pos_emb\.(\w+)", r"encodings.relative.\1"),
    (r"edge_emb\.(\w+)", r"encodings.edge.\1"),
    (r"edge_lin\.(\w+)", r"encodings.edge_join.\1"),
    (r"graph_convs\.(\d+)\.attn\.in_proj_(\w+)", r"attentions.\1.attention.in_proj.\2"),
    (r"graph_convs\.(\d+)\.attn\.out_proj\.(\w+)", r"attentions.\1.attention.out_proj.\2"),
    (r"graph_convs\.(\d+)\.attn\.(q|k|v)\.(\w+)", r"attentions.\1.attention.in_proj.\3_of_\2"),
    (r"graph_convs\.(\d+)\.attn\.attn_out\.(\w+)", r"attentions.\1.attention.out_proj.\2"),
    (
        r"graph_convs\.(\d+)\.attn\.fast_attn\.projection_matrix",
        r"attentions.\1.attention.directions",
    ),
    (r"graph_convs\.(\d+)\.mlp\.(\d)\.(\w+)", r"attentions.\1.mlp.\2.\3"),
    *(
        (rf"graph_convs\.(\d+)\.norm{number}\.module\.(\w+)", rf"attentions.\1.norms.{place}.\2")
        for place, number in enumerate((1, 2, 3))
    ),
)
LAYER = r"graph_convs\.(\d+)\.global_layer"
TRANSFORMER: tuple[Rule, ...] = (
    (rf"{LAYER}\.(attention|feedforward)_norm\.gain", r"attentions.\1.\2_norm.gain"),
    (rf"{LAYER}\.attention\.(query|key|output)\.weight", r"attentions.\1.attention.\2.weight"),
    (rf"{LAYER}\.attention\.radial_mlp\.0\.(\w+)", r"attentions.\1.attention.radial.\2"),
    (rf"{LAYER}\.attention\.radial_mlp\.2\.(\w+)", r"attentions.\1.attention.values_\2"),
    (rf"{LAYER}\.feedforward\.0\.weight", r"attentions.\1.feedforward.first.weight"),
    (rf"{LAYER}\.feedforward\.2\.weight", r"attentions.\1.feedforward.second.weight"),
    # constants, and biases that e3nn keeps without entries
    (rf"{LAYER}\..+", None),
)


def option_rules(options: Architecture) -> Iterator[Rule]:
    """Rules for attention and conditioning, as `hydria.models.upstream` uses them."""
    yield from ATTENTION
    yield from TRANSFORMER
    nodes = f"conditionings.{options.hidden_dim}"
    yield r"graph_conditioner\.(.+)", rf"{nodes}.network.\1"
    yield r"graph_concat_projector\.(.+)", rf"{nodes}.join.\1"
    yield r"graph_pool_projector\.(.+)", rf"outputs.graph.{EVERY}.fuse.layers.\1"


def in_every_branch(state: State, options: Architecture) -> State:
    """Give each branch its copy of what upstream's branches share."""
    branches = [branch.type for branch in options.output_heads.graph]
    return {
        name.replace(EVERY, branch): value
        for name, value in state.items()
        for branch in (branches if EVERY in name else [""])
    }


def performer_shapes(state: State) -> State:
    """Join queries, keys and values, and add what torch-geometric's performer does not keep."""
    joined = {name: value for name, value in state.items() if "_of_" not in name}
    for name in state:
        if name.endswith("_of_q"):
            base = name.removesuffix("_of_q")
            joined[base] = torch.cat([state[f"{base}_of_{part}"] for part in "qkv"])
        elif name.endswith(".attention.directions"):
            base = name.removesuffix("directions")
            joined |= {f"{base}{kept}": torch.tensor(0) for kept in ("seed", "passes")}
    return joined


def transformer_shapes(state: State, options: Architecture) -> State:
    """Give the weights of the equivariant transformer, flat in e3nn, their shapes."""
    shapes = _shapes(options)
    shaped = {}
    for name, value in state.items():
        match = re.fullmatch(r"(attentions\.\d+\.)(.+)", name)
        if match and match[2] == "attention.values_weight":
            bias = state[f"{match[1]}attention.values_bias"]
            shaped[f"{match[1]}attention.values"] = _values(value, bias, options)
        elif match and match[2] in shapes:
            shaped[name] = shapes[match[2]](value)
        elif not match or match[2] != "attention.values_bias":
            shaped[name] = value
    return shaped


def _shapes(options: Architecture) -> dict[str, Callable[[Tensor], Tensor]]:
    """How linear layers become (degrees, in, out); instructions go over inputs, then outputs."""
    heads, width = options.global_attn_heads, options.hidden_dim
    hidden_dim = options.equivariant_attn_feedforward_multiplier * width

    def to_heads(weight: Tensor) -> Tensor:
        return weight.view(-1, heads, width, width).transpose(1, 2).flatten(2)

    def from_heads(weight: Tensor) -> Tensor:
        return weight.view(heads, -1, width, width).transpose(0, 1).flatten(1, 2)

    return {
        "attention.query.weight": to_heads,
        "attention.key.weight": to_heads,
        "attention.output.weight": from_heads,
        "feedforward.first.weight": lambda weight: weight.view(-1, width, hidden_dim),
        "feedforward.second.weight": lambda weight: weight.view(-1, hidden_dim, width),
    }


def _values(weight: Tensor, bias: Tensor, options: Architecture) -> Tensor:
    """(hidden channels and bias, heads, paths, in, out) of the radial network's last layer."""
    form = (options.global_attn_heads, -1, options.hidden_dim, options.hidden_dim)
    by_channel = [column.reshape(form) for column in (*weight.unbind(1), bias)]
    return torch.stack(by_channel)
