"""Every value of a config as resolved, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydria.config.base import shown
from hydria.config.parse import LoadedConfig
from hydria.config.summary import DataSummary

ARCHITECTURE = "NeuralNetwork.Architecture"
# What is measured → the key under which HydraGNN writes it.
MEASURED = {
    "num_train": "Dataset.num_train",
    "num_validation": "Dataset.num_validation",
    "num_test": "Dataset.num_test",
    "node_minmax": "NeuralNetwork.Variables_of_interest.minmax_node_feature",
    "graph_minmax": "NeuralNetwork.Variables_of_interest.minmax_graph_feature",
}


@dataclass(frozen=True)
class Value:
    """One value."""

    path: str
    value: Any
    origin: str
    """`file`, `override`, `default` or `measured`."""

    @property
    def text(self) -> str:
        """The value as JSON, shortened."""
        return shown(self.value)


def resolved(loaded: LoadedConfig, summary: DataSummary | None = None) -> list[Value]:
    """The values of a config in the order of its sections, then what was measured on its data."""
    tree = loaded.config.model_dump(mode="json", by_alias=True)
    values = [
        Value(path, value, loaded.origin(path.split("[")[0]))
        for path, value in _leaves(tree, loaded.raw, "")
    ]
    return values if summary is None else [*values, *_measured(summary)]


def _leaves(node: dict[str, Any], raw: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Paths and values; `raw` is the same section as it was written."""
    for key, value in node.items():
        path, written = f"{prefix}{key}", raw.get(key) if isinstance(raw, dict) else None
        if isinstance(written, dict) and isinstance(value, list) and len(value) == 1:
            value = value[0].get("architecture", value)  # a head that was written without a branch
        if isinstance(value, dict) and value:
            yield from _leaves(value, written, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, item in enumerate(value):
                yield from _leaves(item, None, f"{path}[{index}].")
        else:
            yield path, value


def _measured(summary: DataSummary) -> Iterator[Value]:
    for name, value in summary.model_dump(mode="json").items():
        yield Value(MEASURED.get(name, f"{ARCHITECTURE}.{name}"), value, "measured")
