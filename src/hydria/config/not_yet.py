"""What a config may ask for, and this version cannot do: one line each, until it can."""

from __future__ import annotations

from hydria.config.run import RunConfig
from hydria.core.errors import Problem

# path → (attributes from the config to the value, what it asks for)
SWITCHES = {
    "NeuralNetwork.ds_config": ("neural_network.ds_config", "DeepSpeed"),
}


def not_yet(config: RunConfig) -> list[Problem]:
    """What this version cannot train, although the config is right."""
    return [
        Problem(path, f"asks for {what}, which this version cannot do", "leave it out")
        for path, (attributes, what) in SWITCHES.items()
        if _value(config, attributes)
    ]


def _value(config: object, attributes: str) -> object:
    for name in attributes.split("."):
        config = getattr(config, name)
    return config
