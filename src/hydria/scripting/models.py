"""Models from the `NeuralNetwork` section of a script's config."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from hydria.config import RunConfig, load_config
from hydria.config.spec import ModelSpec, resolve
from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError, Problem
from hydria.models import build_model
from hydria.scripting.configs import without_facts
from hydria.scripting.terminal import show

log = logging.getLogger(__name__)

ARCHITECTURE = "NeuralNetwork.Architecture"
# what these cannot be built without, and nobody can know before the data is there
MEASURED = {"pna_deg": {"PNA", "PNAPlus", "PNAEq"}, "avg_num_neighbors": {"MACE"}}


def create_model_config(
    config: Mapping[str, Any], verbosity: int = 0, use_gpu: bool = True
) -> nn.Module:
    """Build the model of a config.

    Args:
        config: the `NeuralNetwork` section, after `dataset_loading_and_splitting(config)` or
            `update_config` has written the facts of the data into it. Without them, columns are
            taken from `Variables_of_interest`, which is enough for most architectures.
        verbosity: 1 and more says how large the model is.
        use_gpu: put it on the accelerator, if there is one.

    Raises:
        ConfigError: with every problem of the section, or when a fact is missing.
    """
    model = build_model(spec_of(config))
    count = sum(parameter.numel() for parameter in model.parameters())
    show(log, f"{model.spec.architecture.mpnn_type}: {count:,} parameters", verbosity)
    return model.to("cuda") if use_gpu and torch.cuda.is_available() else model


def spec_of(section: Mapping[str, Any]) -> ModelSpec:
    """The full description of the model of a `NeuralNetwork` section with its derived keys."""
    config = load_config({"NeuralNetwork": without_facts(section)}).config
    return resolve(config, _facts(section.get("Architecture", {}), config))


def _facts(written: Mapping[str, Any], config: RunConfig) -> DataSummary:
    network = config.neural_network
    variables, kind = network.variables_of_interest, network.architecture.mpnn_type
    output_dim = written.get("output_dim") or variables.output_dim
    missing = [key for key, kinds in MEASURED.items() if kind in kinds and not written.get(key)]
    if not output_dim:
        missing.append("output_dim")
    if missing:
        raise ConfigError([_missing(key) for key in missing])
    return DataSummary(
        num_train=0,
        num_validation=0,
        num_test=0,
        input_dim=written.get("input_dim") or len(variables.input_node_features),
        edge_dim=written.get("edge_dim") or len(network.architecture.edge_features or ()),
        output_dim=output_dim,
        num_nodes=written.get("num_nodes"),
        pna_deg=written.get("pna_deg") or (),
        avg_num_neighbors=written.get("avg_num_neighbors") or 0.0,
        graph_attr_dim=written.get("graph_attr_dim") or len(variables.graph_attr_features),
    )


def _missing(key: str) -> Problem:
    return Problem(
        f"{ARCHITECTURE}.{key}",
        "expected what was measured on the data, got nothing",
        "call dataset_loading_and_splitting(config) or update_config(config, …) first",
    )
