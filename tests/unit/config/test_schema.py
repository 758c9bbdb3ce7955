"""The JSON Schema takes what the reader takes, and says what each key is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hydria.config import bundled_configs, load_config
from hydria.config.architectures import ARCHITECTURES
from hydria.config.read import read_tree
from hydria.config.schema import json_schema
from hydria.config.starter import starter
from tests.support.configs import make_config, merged, put

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def complaints(tree: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(tree)]


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def sections() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", SCHEMA
    yield from SCHEMA["$defs"].items()


def test_every_key_of_a_section_is_described() -> None:
    kinds = {"mpnn_type", "type"}
    parameters = {"Adadelta", "Adagrad", "Adam", "Adamax", "RMSprop", "SGD", "StepLR"}
    bare = [
        f"{name}.{key}"
        for name, section in sections()
        for key, value in section["properties"].items()
        if not {"description", "$ref"} & set(value) and key not in kinds and name not in parameters
    ]
    assert bare == []


@pytest.mark.parametrize("name", bundled_configs())
def test_bundled_config_satisfies_the_schema(name: str) -> None:
    assert complaints(read_tree(bundled_configs()[name])) == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_starter_satisfies_the_schema(tmp_path: Path, architecture: str) -> None:
    file = tmp_path / "run.json5"
    file.write_text(starter("data", architecture))
    assert complaints(read_tree(file)) == []


REFERENCE = Path(__file__).parents[2] / "numerics" / "data" / "hydragnn"


@pytest.mark.parametrize("name", ["PNA", "SchNet"])
def test_config_that_upstream_stored_satisfies_the_schema(name: str) -> None:
    """With all the keys it writes back, nulls among them."""
    tree = read_tree(REFERENCE / f"{name}.json")
    assert complaints(tree) == []
    assert load_config(tree).config.neural_network.architecture.mpnn_type == name


@pytest.mark.parametrize(
    "change",
    [
        {"_note": 1, "$schema": "x.json"},
        {"Dataset": {"path": "raw", "_note": 1, "lattice": "lattice.csv"}},
        {"Dataset": {"lattice": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}},
        {"NeuralNetwork": {"Training": {"precision": 64, "continue": 0, "patience": None}}},
        {"NeuralNetwork": {"Training": {"Batching": {}, "learning_rate": 0.1}}},
        {"NeuralNetwork": {"Training": {"Optimizer": {"learning_rate": 0.1}}}},
        {"NeuralNetwork": {"Training": {"Scheduler": {"type": "StepLR", "step_size": 3}}}},
        {"Training": {"num_epoch": 3}},
        {"Job": {"nodes": 2, "walltime": "02:00:00"}},
    ],
)
def test_what_the_reader_takes_the_schema_takes(change: dict[str, Any]) -> None:
    tree = merged(make_config(dataset=True), change)
    assert complaints(tree) == []
    load_config(tree)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Dataset.formt", "LSMS"),
        ("Dataset.format", "LSM"),
        ("NeuralNetwork.Architecture.radius", -1),
        ("NeuralNetwork.Architecture.hiden_dim", 3),
        ("NeuralNetwork.Architecture.mpnn_type", "PNN"),
        ("NeuralNetwork.Architecture.output_heads.graph", {"num_headlayer": 1}),
        ("NeuralNetwork.Variables_of_interest.type", ["graph", "edge"]),
        ("NeuralNetwork.Training.perc_train", 1.0),
        ("NeuralNetwork.Training.Optimizer.type", "FusedLAMB"),
        ("Verbosity.level", 5),
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(path: str, value: Any) -> None:
    tree = make_config(dataset=True)
    put(tree, path, value)
    assert complaints(tree)


def test_foreign_keys_are_marked_as_deprecated() -> None:
    pna = SCHEMA["$defs"]["PNA"]["properties"]
    assert pna["pna_deg"] == {"description": "Measured again from the data.", "deprecated": True}
    assert pna["num_gaussians"]["deprecated"]
    assert "deprecated" not in pna["radius"]
