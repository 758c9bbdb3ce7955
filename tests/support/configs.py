"""Small configs to change one thing in."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]


def make_config(*, dataset: bool = False, **changes: Any) -> Tree:
    """The least that `load_config` accepts: one graph and one node output.

    Args:
        dataset: describe LSMS files too, so that graphs are built.
        changes: dotted paths, with `__` for the dot, and their values; None leaves a key out.
    """
    tree: Tree = {
        "NeuralNetwork": {
            "Architecture": {"mpnn_type": "PNA", "output_heads": {"graph": {}, "node": {}}},
            "Variables_of_interest": {
                "output_names": ["energy", "charge"],
                "output_index": [0, 1],
                "type": ["graph", "node"],
            },
        }
    }
    if dataset:
        tree["Dataset"] = {
            "name": "alloy",
            "format": "LSMS",
            "path": {"total": "raw"},
            "node_features": {
                "name": ["num_of_protons", "charge_density", "magnetic_moment"],
                "dim": [1, 1, 1],
                "column_index": [0, 5, 6],
            },
            "graph_features": {"name": ["energy"], "dim": [1], "column_index": [0]},
        }
        tree["NeuralNetwork"]["Architecture"]["radius"] = 5.0
    for path, value in changes.items():
        put(tree, path.replace("__", "."), value)
    return tree


def make_potential_config(**changes: Any) -> Tree:
    """The least that `load_config` accepts of an interatomic potential; `changes` as above."""
    tree = make_config(
        NeuralNetwork__Architecture__mpnn_type="PAINN",
        NeuralNetwork__Architecture__radius=5.0,
        NeuralNetwork__Architecture__enable_interatomic_potential=True,
        NeuralNetwork__Variables_of_interest={
            "output_names": ["energy"],
            "output_index": [0],
            "type": ["graph"],
        },
    )
    for path, value in changes.items():
        put(tree, path.replace("__", "."), value)
    return tree


def put(tree: Tree, path: str, value: Any) -> None:
    """Set the value under a dotted path, in place; None takes the key out."""
    *sections, key = path.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    if value is None:
        del tree[key]
    else:
        tree[key] = value


def merged(base: Tree, change: Tree) -> Tree:
    """`base` with the keys of `change` in its sections."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
