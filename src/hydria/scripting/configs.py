"""A script's own config dictionary: checking it, and writing measured facts into it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from hydria.config import load_config
from hydria.config.summary import DataSummary

log = logging.getLogger(__name__)

Tree = dict[str, Any]

FACTS = (
    "input_dim",
    "output_dim",
    "output_type",
    "num_nodes",
    "pna_deg",
    "edge_dim",
    "avg_num_neighbors",
    "graph_attr_dim",
)


def validate_config(config: str | Mapping[str, Any]) -> None:
    """Check a config, given as a dictionary, a path or a name.

    Raises:
        ConfigError: with every problem in it.
    """
    for warning in load_config(config).warnings:
        log.warning("%s", warning)


def update_config(config: Tree, train_loader: Any, val_loader: Any, test_loader: Any) -> Tree:
    """Write what was measured on the data into `config`, where a model is built from it.

    Args:
        config: changed in place, as HydraGNN does: its derived keys under
            `NeuralNetwork.Architecture` (`input_dim`, `output_dim`, `pna_deg`, …).
        train_loader, val_loader, test_loader: of `dataset_loading_and_splitting`.

    Returns:
        The same dictionary.
    """
    write_facts(config, train_loader.summary)
    return config


def write_facts(config: Tree, summary: DataSummary) -> None:
    """Write the facts of `summary` under the names HydraGNN gives them."""
    network = config["NeuralNetwork"]
    facts = (
        summary.input_dim,
        list(summary.output_dim),
        list(network["Variables_of_interest"]["type"]),
        summary.num_nodes,
        list(summary.pna_deg),
        summary.edge_dim,
        summary.avg_num_neighbors,
        summary.graph_attr_dim,
    )
    network["Architecture"].update(zip(FACTS, facts, strict=True))


def without_facts(section: Mapping[str, Any]) -> Tree:
    """A `NeuralNetwork` section as a person wrote it, without the keys of `write_facts`."""
    architecture = section.get("Architecture", {})
    plain = {key: value for key, value in architecture.items() if key not in FACTS}
    return {**section, "Architecture": plain}
