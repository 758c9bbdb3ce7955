"""A commented config to start from, written from the descriptions in the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from hydria.config.architectures import ARCHITECTURES
from hydria.config.dataset import NAME
from hydria.config.explain import BRANCH, PATTERNS, describe, keys_of, models_in
from hydria.config.not_yet import SWITCHES
from hydria.config.run import RunConfig
from hydria.core.errors import ConfigError, Problem, listed
from hydria.core.registry import nearest

WIDTH = 96
HEADER = """\
// A config for Hydria, in the form of HydraGNN's JSON (JSON5: comments and last commas are fine).
// Change what stands here; the keys behind // are defaults, to be uncommented where needed.
// Check it with: hydria config check FILE
"""
# What a person must decide, with an example each; everything else has a default.
EXAMPLE: dict[str, Any] = {
    "Dataset.format": "LSMS",
    "Dataset.path.total": "dataset",
    "Dataset.node_features.name": ["num_of_protons", "charge_density", "magnetic_moment"],
    "Dataset.node_features.dim": [1, 1, 1],
    "Dataset.node_features.column_index": [0, 5, 6],
    "Dataset.graph_features.name": ["free_energy_scaled_num_nodes"],
    "Dataset.graph_features.dim": [1],
    "Dataset.graph_features.column_index": [0],
    "NeuralNetwork.Architecture.hidden_dim": 64,
    "NeuralNetwork.Architecture.num_conv_layers": 3,
    "NeuralNetwork.Architecture.radius": 5.0,
    "NeuralNetwork.Architecture.max_neighbours": 100,
    "NeuralNetwork.Architecture.output_heads.graph.num_sharedlayers": 2,
    "NeuralNetwork.Architecture.output_heads.graph.dim_sharedlayers": 64,
    "NeuralNetwork.Architecture.output_heads.graph.num_headlayers": 2,
    "NeuralNetwork.Architecture.output_heads.graph.dim_headlayers": [64, 64],
    "NeuralNetwork.Architecture.output_heads.node.type": "mlp",
    "NeuralNetwork.Architecture.output_heads.node.num_headlayers": 2,
    "NeuralNetwork.Architecture.output_heads.node.dim_headlayers": [64, 64],
    "NeuralNetwork.Architecture.task_weights": [1.0, 1.0],
    "NeuralNetwork.Variables_of_interest.input_node_features": [0],
    "NeuralNetwork.Variables_of_interest.output_names": ["free_energy", "magnetic_moment"],
    "NeuralNetwork.Variables_of_interest.output_index": [0, 2],
    "NeuralNetwork.Variables_of_interest.type": ["graph", "node"],
    "NeuralNetwork.Variables_of_interest.denormalize_output": True,
    "NeuralNetwork.Training.num_epoch": 100,
    "NeuralNetwork.Training.batch_size": 32,
    "NeuralNetwork.Training.EarlyStopping": True,
    "NeuralNetwork.Training.Optimizer.type": "AdamW",
    "NeuralNetwork.Training.Optimizer.learning_rate": 1e-3,
    "Verbosity.level": 1,
}
# Left out: what this version cannot do, and what only some other part of a config makes sense of.
LEFT_OUT = frozenset(SWITCHES) | {
    "workload",
    "Dataset.Descriptors",
    "NeuralNetwork.Architecture.enable_interatomic_potential",
    "NeuralNetwork.Training.compute_grad_energy",
    "NeuralNetwork.Training.force_loss_function_type",
    "NeuralNetwork.Training.stages",
    "NeuralNetwork.Potential",
    "NeuralNetwork.Architecture.energy_weight",
    "NeuralNetwork.Architecture.energy_peratom_weight",
    "NeuralNetwork.Architecture.force_weight",
    "NeuralNetwork.Architecture.stress_weight",
}
# Where several kinds of a section are possible, the one that is written.
KINDS = {
    "NeuralNetwork.Training.Optimizer": "AdamW",
    "NeuralNetwork.Training.Scheduler": "ReduceLROnPlateau",
    "NeuralNetwork.Architecture.output_heads.graph": "GraphHead",
    "NeuralNetwork.Architecture.output_heads.node": "NodeHead",
}


def starter(name: str, architecture: str) -> str:
    """The text of a JSON5 config that `load_config` accepts.

    Args:
        name: of the data set.
        architecture: an `mpnn_type`.

    Raises:
        ConfigError: if there is no such architecture, or the name cannot be that of a folder.
    """
    if architecture not in ARCHITECTURES:
        close = nearest(architecture, ARCHITECTURES)
        hint = f"did you mean {close!r}?" if close else None
        message = f"expected one of {listed(ARCHITECTURES)}, got {architecture!r}"
        raise ConfigError([Problem("architecture", message, hint)])
    if not re.fullmatch(NAME, name):
        raise ConfigError([Problem("name", f"expected {PATTERNS[NAME]}, got {name!r}")])
    values = {
        "Dataset.name": name,
        "NeuralNetwork.Architecture.mpnn_type": architecture,
        **EXAMPLE,
    }
    lines = _section(RunConfig, "", values, {**KINDS, "NeuralNetwork.Architecture": architecture})
    return HEADER + "{\n" + "\n".join(lines) + "\n}\n"


def _section(
    model: type[BaseModel], prefix: str, values: dict[str, Any], kinds: dict[str, str]
) -> list[str]:
    """The lines inside the braces of one section, without those of its own key."""
    indent = "  " * (prefix.count(".") + 1)
    lines: list[str] = []
    for key, field in keys_of(model).items():
        path = f"{prefix}{key}"
        if path in LEFT_OUT:
            continue
        inner = _kind(path, field.annotation, kinds)
        # a key without a description is the kind of its section
        note = " ".join((describe(model, key) or model.__doc__ or "").split())
        if inner is not None:
            lines += [*_commented(f'{indent}"{key}": {{', note, indent)]
            lines += [*_section(inner, f"{path}.", values, kinds), f"{indent}}},"]
            continue
        value = values.get(path, field.get_default(call_default_factory=True))
        text = f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},"
        lines += _commented(f"{indent}{'' if path in values else '// '}{text}", note, indent)
    return lines


def _kind(path: str, annotation: Any, kinds: dict[str, str]) -> type[BaseModel] | None:
    """The model of a section, or None for a value."""
    found = list(models_in(annotation))
    found += [head for model in found for head in _heads(model)]
    chosen = [model for model in found if model.__name__ == kinds.get(path)]
    return next(iter(chosen or found), None)


def _heads(branch: type[BaseModel]) -> Iterator[type[BaseModel]]:
    if BRANCH in keys_of(branch):
        yield from models_in(keys_of(branch)[BRANCH].annotation)


def _commented(line: str, note: str, indent: str) -> list[str]:
    """A line with its note behind it, or above it where there is no room."""
    if not note:
        return [line]
    if len(line) + len(note) + 5 <= WIDTH:
        return [f"{line}  // {note}"]
    return [f"{indent}// {note}", line]
