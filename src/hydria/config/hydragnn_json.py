"""What people's HydraGNN files hold: other spellings, keys in odd places, keys without a use.

Source: user manual; key inventory of ORNL/HydraGNN at d251f816 (2026-08-21).
"""

from __future__ import annotations

from typing import Any

from hydria.config.architectures import ARCHITECTURES
from hydria.core.errors import Problem

Tree = dict[str, Any]

ARCHITECTURE = ("NeuralNetwork", "Architecture")
TRAINING = ("NeuralNetwork", "Training")
VARIABLES = ("NeuralNetwork", "Variables_of_interest")

# Where a key is written → where it is read. The manual's troubleshooting and best-practice
# samples print learning_rate and task_weights under Training.
MOVED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("Architecture",): ARCHITECTURE,
    ("Training",): TRAINING,
    ("Variables_of_interest",): VARIABLES,
    (*TRAINING, "learning_rate"): (*TRAINING, "Optimizer", "learning_rate"),
    (*TRAINING, "task_weights"): (*ARCHITECTURE, "task_weights"),
    (*ARCHITECTURE, "output_heads", "task_weights"): (*ARCHITECTURE, "task_weights"),
}
# Spellings of one key that upstream, or other codes of the field, have used.
ALIASES: dict[tuple[str, ...], tuple[str, ...]] = {
    (*ARCHITECTURE, "model_type"): (*ARCHITECTURE, "mpnn_type"),
    (*ARCHITECTURE, "max_neighbors"): (*ARCHITECTURE, "max_neighbours"),
    (*ARCHITECTURE, "interaction_order"): (*ARCHITECTURE, "correlation"),
    (*TRAINING, "early_stopping"): (*TRAINING, "EarlyStopping"),
    (*TRAINING, "optimizer"): (*TRAINING, "Optimizer"),
    (*TRAINING, "batchsize"): (*TRAINING, "batch_size"),
}
# Upstream writes these back from the data; here they are measured again.
DERIVED = {
    ARCHITECTURE: {
        "input_dim",
        "output_dim",
        "output_type",
        "num_nodes",
        "pna_deg",
        "edge_dim",
        "avg_num_neighbors",
    },
    VARIABLES: {
        "minmax_node_feature",
        "minmax_graph_feature",
        "x_minmax",
        "y_minmax",
        "input_node_feature_dims",
        "graph_feature_dims",
        "node_feature_dims",
        "graph_feature_names",
        "node_feature_names",
        "output_names_original",
        "graph_feature_indices",
    },
}
# Known to some version of upstream, without a meaning here.
UNUSED = {
    (): {"Profile"},
    ("NeuralNetwork",): {"Profile"},
    ARCHITECTURE: {
        "dropout",
        "num_heads",
        "num_branches",
        "equivariant_attn_lmax",
        "equivariant_attn_num_radial",
        "equivariant_attn_feedforward_multiplier",
        "equivariant_attn_allow_scalar_only",
        "equivariant_attn_require_tensor_coupling",
        "equivariant_attn_chunk_size",
        "equivariant_attn_coupling_mode",
    },
    TRAINING: {
        "epoch_start",
        "CheckRemainingTime",
        "global_attn_redraw_interval",
        "Batching",
        "ilossweights_hyperp",
        "ilossweights_nll",
        "output_weights",
        "resume_from_checkpoint",
    },
    ("Dataset",): {"num_nodes", "sampling", "compositional_stratified", "version"},
}


def relocate(raw: Tree) -> tuple[Tree, list[str], list[Problem]]:
    """Bring a HydraGNN config into the native form.

    Returns:
        the tree without comments; a warning for each key in an odd place; contradictions.
    """
    tree: Tree = _without_private(raw)
    warnings: list[str] = []
    problems: list[Problem] = []
    for old, new in MOVED.items():
        _move(tree, old, new, warnings, problems)
    for old, new in ALIASES.items():
        _move(tree, old, new, [], problems)
    return tree, warnings, problems


def _without_private(value: Any) -> Any:
    """Drop keys that begin with an underscore (comments), at every level."""
    if isinstance(value, dict):
        return {
            key: _without_private(inner)
            for key, inner in value.items()
            if not str(key).startswith("_")
        }
    return [_without_private(inner) for inner in value] if isinstance(value, list) else value


def _parent(tree: Tree, path: tuple[str, ...], create: bool = False) -> Tree | None:
    for key in path[:-1]:
        if create:
            tree = tree.setdefault(key, {})
        elif isinstance(tree.get(key), dict):
            tree = tree[key]
        else:
            return None
        if not isinstance(tree, dict):
            return None
    return tree


def _move(
    tree: Tree,
    old: tuple[str, ...],
    new: tuple[str, ...],
    warnings: list[str],
    problems: list[Problem],
) -> None:
    source = _parent(tree, old)
    if source is None or old[-1] not in source:
        return
    value = source.pop(old[-1])
    target = _parent(tree, new, create=True)
    where, there = ".".join(old), ".".join(new)
    if target is None:
        problems.append(Problem(".".join(new[:-1]), "expected a section in braces"))
        return
    if isinstance(value, dict) and isinstance(target.get(new[-1]), dict):
        value = {**value, **target[new[-1]]}
    elif new[-1] in target and target[new[-1]] != value:
        problems.append(
            Problem(
                where, f"contradicts {there}: {value!r} and {target[new[-1]]!r}", "keep one of them"
            )
        )
        return
    target[new[-1]] = value
    warnings.append(f"{where} is read as {there}")


def drop_unused(tree: Tree) -> list[str]:
    """Take out, in place, what is known but means nothing here; return the paths."""
    dropped: list[str] = []
    foreign = _options_of_others(tree)
    for known in (DERIVED, UNUSED, foreign):
        for section, keys in known.items():
            holder = _parent(tree, (*section, ""))
            for key in sorted(keys & set(holder or {})):
                assert holder is not None
                del holder[key]
                dropped.append(".".join((*section, key)))
    _drop_nulls(tree)
    return dropped


def _options_of_others(tree: Tree) -> dict[tuple[str, ...], set[str]]:
    """Options of the architectures that this config does not use."""
    section = _parent(tree, (*ARCHITECTURE, ""))
    own = ARCHITECTURES.get((section or {}).get("mpnn_type", ""))
    if own is None:
        return {}
    every = {
        field.alias or name
        for options in ARCHITECTURES.values()
        for name, field in options.model_fields.items()
    }
    return {ARCHITECTURE: every - {f.alias or n for n, f in own.model_fields.items()}}


def _drop_nulls(tree: Tree) -> None:
    section = _parent(tree, (*ARCHITECTURE, ""))
    for key in [key for key, value in (section or {}).items() if value is None]:
        assert section is not None
        del section[key]
