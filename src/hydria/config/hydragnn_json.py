"""What people's HydraGNN files hold: other spellings, keys in odd places, keys without a use.

Source: user manual; key inventory of ORNL/HydraGNN at d251f816 (2026-08-21) and its examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, get_args

from hydria.config.architectures import ARCHITECTURES
from hydria.config.architectures.base import Activation
from hydria.config.base import shown
from hydria.config.formats import FORMATS
from hydria.config.optimizers import AnyOptimizer, AnyScheduler
from hydria.config.training import LOSSES
from hydria.core.errors import Problem

Tree = dict[str, Any]
KeyPath = tuple[str, ...]

ARCHITECTURE = ("NeuralNetwork", "Architecture")
TRAINING = ("NeuralNetwork", "Training")
VARIABLES = ("NeuralNetwork", "Variables_of_interest")

# Where a key is written → where it is read. The manual prints sections without NeuralNetwork
# around them, learning_rate and task_weights under Training, task_weights beside output_heads.
MOVED: dict[KeyPath, KeyPath] = {
    ("Architecture",): ARCHITECTURE,
    ("Training",): TRAINING,
    ("Variables_of_interest",): VARIABLES,
    ("ds_config",): ("NeuralNetwork", "ds_config"),
    ("Dataset", "path", "raw"): ("Dataset", "path"),
    ("NeuralNetwork", "output_heads"): (*ARCHITECTURE, "output_heads"),
    ("NeuralNetwork", "task_weights"): (*ARCHITECTURE, "task_weights"),
    (*TRAINING, "learning_rate"): (*TRAINING, "Optimizer", "learning_rate"),
    (*TRAINING, "task_weights"): (*ARCHITECTURE, "task_weights"),
    (*TRAINING, "SyncBatchNorm"): (*ARCHITECTURE, "SyncBatchNorm"),
    (*ARCHITECTURE, "output_heads", "task_weights"): (*ARCHITECTURE, "task_weights"),
    (*ARCHITECTURE, "compute_grad_energy"): (*TRAINING, "compute_grad_energy"),
}
# Spellings of one key that upstream, or other codes of the field, have used.
ALIASES: dict[KeyPath, KeyPath] = {
    (*ARCHITECTURE, "model_type"): (*ARCHITECTURE, "mpnn_type"),
    (*ARCHITECTURE, "max_neighbors"): (*ARCHITECTURE, "max_neighbours"),
    (*ARCHITECTURE, "interaction_order"): (*ARCHITECTURE, "correlation"),
    (*TRAINING, "early_stopping"): (*TRAINING, "EarlyStopping"),
    (*TRAINING, "optimizer"): (*TRAINING, "Optimizer"),
    (*TRAINING, "scheduler"): (*TRAINING, "Scheduler"),
    (*TRAINING, "batchsize"): (*TRAINING, "batch_size"),
}
# Upstream writes these back from the data; here they are measured again.
DERIVED: dict[KeyPath, set[str]] = {
    ARCHITECTURE: {
        "input_dim",
        "output_dim",
        "output_type",
        "num_nodes",
        "pna_deg",
        "edge_dim",
        "avg_num_neighbors",
        "graph_attr_dim",
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
    },
}
# Known to some version of upstream, without a meaning here.
UNUSED: dict[KeyPath, set[str]] = {
    (): {"Profile"},
    ("NeuralNetwork",): {"Profile"},
    ARCHITECTURE: {
        "dropout",
        "num_heads",
        "num_branches",
        "enable_atomistic_species_encoding",
    },
    TRAINING: {
        "epoch_start",
        "CheckRemainingTime",
        "Batching",
        "ilossweights_hyperp",
        "ilossweights_nll",
        "output_weights",
        "resume_from_checkpoint",
    },
    ("Dataset",): {"num_nodes", "sampling", "compositional_stratified", "version"},
}
# Values that are names: their case does not matter.
NAMES: dict[KeyPath, tuple[str, ...]] = {
    ("Dataset", "format"): tuple(FORMATS),
    (*ARCHITECTURE, "mpnn_type"): tuple(ARCHITECTURES),
    (*ARCHITECTURE, "activation_function"): get_args(Activation),
    (*ARCHITECTURE, "graph_pooling"): ("mean", "add", "sum", "max"),
    (*TRAINING, "loss_function_type"): LOSSES,
    (*TRAINING, "Optimizer", "type"): tuple(
        model.__name__ for model in get_args(get_args(AnyOptimizer)[0])
    ),
    (*TRAINING, "Scheduler", "type"): tuple(
        model.__name__ for model in get_args(get_args(AnyScheduler)[0])
    ),
}
# Where upstream's files write "" for "none".
BLANK: tuple[KeyPath, ...] = (
    (*ARCHITECTURE, "global_attn_engine"),
    (*ARCHITECTURE, "global_attn_type"),
    (*TRAINING, "startfrom"),
)
# Sections whose content is not ours.
FOREIGN = {"ds_config"}


def relocate(raw: Tree) -> tuple[Tree, list[str], list[Problem]]:
    """Bring a HydraGNN config into the native form.

    Returns:
        the tree without comments; a warning for each key in an odd place; contradictions.
    """
    tree: Tree = _without_private(raw)
    tree.pop("$schema", None)
    warnings: list[str] = []
    problems: list[Problem] = []
    for old, new in ALIASES.items():
        _move(tree, old, new, [], problems)
    _name_to_section(tree, (*TRAINING, "Optimizer"))
    _name_to_section(tree, (*TRAINING, "Scheduler"))
    for old, new in MOVED.items():
        _move(tree, old, new, warnings, problems)
    return tree, warnings, problems


def settle(tree: Tree) -> list[str]:
    """Take out, in place, what means nothing here, and give names their usual case.

    Returns:
        one line for each section and reason why keys are not used.
    """
    for path in BLANK:
        _replace(tree, path, lambda value: None if value == "" else value)
    for path, names in NAMES.items():
        _replace(tree, path, partial(_cased, {name.lower(): name for name in names}))
    _drop_nulls(tree)
    _switch_potential_on(tree)
    own = _own_options(tree)
    foreign: dict[KeyPath, set[str]] = {ARCHITECTURE: _all_options() - own if own else set()}
    derived = {**DERIVED, ARCHITECTURE: DERIVED[ARCHITECTURE] - own}
    reasons = {
        "measured again from the data": derived,
        "options of other architectures": foreign,
        "keys without a use here": UNUSED,
    }
    return [
        f"{reason}: {', '.join(keys)}{f' ({section})' if section else ''}"
        for reason, known in reasons.items()
        for section, keys in _drop(tree, known)
    ]


def _switch_potential_on(tree: Tree) -> None:
    """The manual's `compute_grad_energy` and upstream's `enable_interatomic_potential` are one."""
    path = (*ARCHITECTURE, "enable_interatomic_potential")
    asked = _holder(tree, (*TRAINING, "compute_grad_energy")) or {}
    holder = _holder(tree, path)
    if asked.get("compute_grad_energy") in (True, 1) and holder is not None:
        holder[path[-1]] = True


def _without_private(value: Any) -> Any:
    """Drop keys that begin with an underscore (comments), at every level."""
    if isinstance(value, dict):
        return {
            key: _without_private(inner)
            for key, inner in value.items()
            if not str(key).startswith("_")
        }
    return [_without_private(inner) for inner in value] if isinstance(value, list) else value


def _holder(tree: Tree, path: KeyPath, create: bool = False) -> Tree | None:
    """The section that holds the last key of `path`, or None where there is none."""
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


def _replace(tree: Tree, path: KeyPath, change: Callable[[Any], Any]) -> None:
    holder = _holder(tree, path)
    if holder is not None and path[-1] in holder:
        holder[path[-1]] = change(holder[path[-1]])


def _cased(cased: dict[str, str], value: Any) -> Any:
    return cased.get(value.lower(), value) if isinstance(value, str) else value


def _name_to_section(tree: Tree, path: KeyPath) -> None:
    """`"Optimizer": "AdamW"`, as in upstream's first versions."""
    _replace(tree, path, lambda value: {"type": value} if isinstance(value, str) else value)


def _move(
    tree: Tree, old: KeyPath, new: KeyPath, warnings: list[str], problems: list[Problem]
) -> None:
    source = _holder(tree, old)
    if source is None or old[-1] not in source:
        return
    if new == old[:-1] and not isinstance(source[old[-1]], dict):
        return
    value = source.pop(old[-1])
    where, there = ".".join(old), ".".join(new)
    target = _holder(tree, new, create=True)
    if target is None:
        problems.append(
            Problem(".".join(new[:-1]), f"expected an object with keys, because {where} is given")
        )
        return
    present = target.get(new[-1])
    if isinstance(value, dict) and isinstance(present, dict):
        problems += [
            Problem(f"{where}.{key}", _contradiction(f"{there}.{key}", value[key], present[key]))
            for key in sorted(value.keys() & present.keys())
            if value[key] != present[key]
        ]
        value = {**value, **present}
    elif present is not None and present != value:
        problems.append(
            Problem(where, _contradiction(there, value, present), "keep one of the two")
        )
        return
    target[new[-1]] = value
    warnings.append(f"{where} is read as {there}")


def _contradiction(there: str, value: Any, present: Any) -> str:
    return f"got {shown(value)}, which contradicts {there} = {shown(present)}"


def _drop(tree: Tree, known: dict[KeyPath, set[str]]) -> Iterator[tuple[str, list[str]]]:
    """Take known keys out; give each section that held some, with them."""
    for section, keys in known.items():
        holder = _holder(tree, (*section, "")) or {}
        found = sorted(keys & set(holder))
        for key in found:
            del holder[key]
        if found:
            yield ".".join(section), found


def _options(architecture: str) -> set[str]:
    model = ARCHITECTURES[architecture]
    return {field.alias or name for name, field in model.model_fields.items()}


def _all_options() -> set[str]:
    return set().union(*map(_options, ARCHITECTURES))


def _own_options(tree: Tree) -> set[str]:
    """Keys of the architecture that this config uses; none if it is unknown."""
    holder = _holder(tree, (*ARCHITECTURE, "mpnn_type")) or {}
    name = holder.get("mpnn_type")
    return _options(name) if isinstance(name, str) and name in ARCHITECTURES else set()


def _drop_nulls(section: Tree) -> None:
    """Upstream writes null where it means "not given"."""
    for key in [key for key, value in section.items() if value is None]:
        del section[key]
    for key, value in section.items():
        if isinstance(value, dict) and key not in FOREIGN:
            _drop_nulls(value)
