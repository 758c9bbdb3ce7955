"""Files, names and dictionaries become one config, whatever way they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from hydria.config import bundled_configs, find_config, load_config
from hydria.core.errors import ConfigError
from tests.support.configs import make_config, make_potential_config, put

ARCHITECTURE = "NeuralNetwork.Architecture"
TRAINING = "NeuralNetwork.Training"


@pytest.mark.parametrize("suffix", [".json", ".json5", ".yaml", ".yml"])
def test_a_file_means_the_same_in_every_form(tmp_path: Path, suffix: str) -> None:
    tree = make_config(dataset=True)
    file = tmp_path / f"run{suffix}"
    text = yaml.safe_dump(tree) if suffix.startswith(".y") else json.dumps(tree)
    file.write_text(text)
    loaded = load_config(file)
    assert loaded.config == load_config(tree).config
    assert (loaded.name, loaded.source) == ("run", file)


def test_a_dictionary_is_not_changed() -> None:
    tree = make_config(NeuralNetwork__Training__learning_rate=0.1)
    before = json.dumps(tree)
    load_config(tree, ["num_epoch=3"])
    assert json.dumps(tree) == before


def test_a_config_is_frozen() -> None:
    config = load_config(make_config()).config
    with pytest.raises(ValidationError, match="frozen"):
        config.neural_network.training.num_epoch = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", bundled_configs())
def test_bundled_config_loads_by_name(name: str) -> None:
    loaded = load_config(name)
    assert loaded.source == find_config(name)
    assert loaded.name == name


def test_a_file_goes_before_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lsms").write_text(json.dumps(make_config(Dataset__name="mine")))
    assert load_config("lsms").config.dataset.name == "mine"


def test_a_folder_does_not_hide_a_bundled_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lsms").mkdir()
    assert load_config("lsms").config.dataset.name == "lsms"


def test_comments_are_no_keys() -> None:
    tree = make_config(_note="mine", NeuralNetwork__Training={"_why": [1], "num_epoch": 3})
    tree["$schema"] = "hydria.schema.json"
    loaded = load_config(tree)
    assert loaded.warnings == ()
    assert loaded.config.neural_network.training.num_epoch == 3


# written path, value, native path, value there
MAPPED: list[tuple[str, Any, str, Any]] = [
    ("Training.num_epoch", 3, f"{TRAINING}.num_epoch", 3),
    ("Architecture.hidden_dim", 3, f"{ARCHITECTURE}.hidden_dim", 3),
    (f"{TRAINING}.learning_rate", 0.1, f"{TRAINING}.Optimizer.learning_rate", 0.1),
    (f"{TRAINING}.task_weights", [1, 3], f"{ARCHITECTURE}.task_weights", [1.0, 3.0]),
    ("NeuralNetwork.task_weights", [1, 3], f"{ARCHITECTURE}.task_weights", [1.0, 3.0]),
    (f"{ARCHITECTURE}.compute_grad_energy", True, f"{TRAINING}.compute_grad_energy", True),
    ("ds_config.stage", 2, "NeuralNetwork.ds_config.stage", 2),
]


@pytest.mark.parametrize(("written", "value", "native", "meaning"), MAPPED)
def test_key_in_an_odd_place_is_mapped_with_a_warning(
    written: str, value: Any, native: str, meaning: Any
) -> None:
    tree = make_potential_config() if "grad" in written else make_config()
    put(tree, written, value)
    loaded = load_config(tree)
    node = loaded.config.model_dump(mode="json", by_alias=True)
    for key in native.split("."):
        node = node[key]
    assert node == meaning
    assert len(loaded.warnings) == 1
    old, new = loaded.warnings[0].split(" is read as ")
    assert written.startswith(old)
    assert native.startswith(new)


SPELLINGS: list[tuple[str, Any, str, Any]] = [
    (f"{ARCHITECTURE}.max_neighbors", 7, "architecture.max_neighbours", 7),
    (f"{TRAINING}.early_stopping", True, "training.early_stopping", True),
    (f"{TRAINING}.optimizer", "SGD", "training.optimizer.type", "SGD"),
    (f"{TRAINING}.Optimizer", "Adam", "training.optimizer.type", "Adam"),
    (f"{TRAINING}.Optimizer.type", "adam", "training.optimizer.type", "Adam"),
    (f"{TRAINING}.Scheduler.type", "constantlr", "training.scheduler.type", "ConstantLR"),
    (f"{TRAINING}.loss_function_type", "MSE", "training.loss_function_type", "mse"),
    (f"{TRAINING}.loss_function_type", "gaussiannllloss", "training.loss_function_type",
     "GaussianNLLLoss"),
    (f"{ARCHITECTURE}.mpnn_type", "schnet", "architecture.mpnn_type", "SchNet"),
    (f"{ARCHITECTURE}.activation_function", "ReLU", "architecture.activation_function", "relu"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "value", "attribute", "meaning"), SPELLINGS)
def test_other_spellings_need_no_warning(
    written: str, value: Any, attribute: str, meaning: Any
) -> None:
    tree = make_config()
    put(tree, written, value)
    loaded = load_config(tree)
    node: Any = loaded.config.neural_network
    for name in attribute.split("."):
        node = getattr(node, name)
    assert (node, loaded.warnings) == (meaning, ())


def test_model_type_is_the_old_name_of_mpnn_type() -> None:
    tree = make_config(NeuralNetwork__Architecture__mpnn_type=None)
    tree["NeuralNetwork"]["Architecture"]["model_type"] = "SchNet"
    assert load_config(tree).config.neural_network.architecture.mpnn_type == "SchNet"


def test_the_same_value_in_two_places_is_no_contradiction() -> None:
    tree = make_config(NeuralNetwork__Training__learning_rate=0.1)
    put(tree, f"{TRAINING}.Optimizer.learning_rate", 0.1)
    optimizer = load_config(tree).config.neural_network.training.optimizer
    assert optimizer.learning_rate == 0.1


def test_sections_inside_and_outside_are_joined() -> None:
    tree = make_config(NeuralNetwork__Training__num_epoch=3, Training={"batch_size": 4})
    training = load_config(tree).config.neural_network.training
    assert (training.num_epoch, training.batch_size) == (3, 4)


@pytest.mark.parametrize(
    ("override", "path", "meaning"),
    [
        ("NeuralNetwork.Training.num_epoch=5", f"{TRAINING}.num_epoch", 5),
        ("num_epoch=5", f"{TRAINING}.num_epoch", 5),
        ("Training.num_epoch=5", f"{TRAINING}.num_epoch", 5),
        ("learning_rate=1e-4", f"{TRAINING}.Optimizer.learning_rate", 1e-4),
        ("Training.learning_rate=1e-4", f"{TRAINING}.Optimizer.learning_rate", 1e-4),
        ("max_neighbors=4", f"{ARCHITECTURE}.max_neighbours", 4),
        ("model_type=EGNN", f"{ARCHITECTURE}.mpnn_type", "EGNN"),
        ("task_weights=[1, 3]", f"{ARCHITECTURE}.task_weights", [1.0, 3.0]),
        ("Dataset.name=FePt", "Dataset.name", "FePt"),
        ("Dataset.path.total=a=b", "Dataset.path.total", "a=b"),
        ("walltime=2h", "Job.walltime", "02:00:00"),
    ],
)
def test_override_may_leave_out_the_front(override: str, path: str, meaning: Any) -> None:
    loaded = load_config(make_config(dataset=True), [override])
    node = loaded.config.model_dump(mode="json", by_alias=True)
    for key in path.split("."):
        node = node[key]
    assert node == meaning
    assert loaded.origin(path) == "override"
    assert loaded.warnings == ()


def test_override_reaches_into_a_plain_head() -> None:
    loaded = load_config(make_config(), ["output_heads.graph.dim_sharedlayers=7"])
    (branch,) = loaded.config.neural_network.architecture.output_heads.graph
    assert branch.architecture.dim_sharedlayers == 7


def test_override_goes_before_a_key_in_an_odd_place() -> None:
    tree = make_config(NeuralNetwork__Training__learning_rate=0.1)
    training = load_config(tree, ["learning_rate=0.2"]).config.neural_network.training
    assert training.optimizer.learning_rate == 0.2


def test_override_with_null_gives_the_default_back() -> None:
    tree = make_config(NeuralNetwork__Training__num_epoch=3)
    assert load_config(tree, ["num_epoch=null"]).config.neural_network.training.num_epoch == 100


def test_origin_tells_file_from_override_and_default() -> None:
    tree = make_config(NeuralNetwork__Training={"num_epoch": 3, "batch_size": 4})
    loaded = load_config(tree, ["batch_size=5"])
    origins = [loaded.origin(f"{TRAINING}.{key}") for key in ("num_epoch", "batch_size", "seed")]
    assert origins == ["file", "override", "default"]


WARNED: list[tuple[dict[str, Any], str]] = [
    (
        {"Dataset__lattice": "lattice.csv"},
        "Dataset.lattice has no effect, because "
        "NeuralNetwork.Architecture.periodic_boundary_conditions is false",
    ),
    (
        {"NeuralNetwork__Training": {"batch_size": 4, "global_batch_size": 8}},
        "NeuralNetwork.Training.batch_size has no effect, because global_batch_size is given",
    ),
    (
        {"NeuralNetwork__Training": {"EarlyStopping": True, "num_epoch": 5}},
        "NeuralNetwork.Training.EarlyStopping cannot stop anything: patience 10 is not less than "
        "num_epoch 5",
    ),
    (
        {
            "NeuralNetwork__Architecture__mpnn_type": "PAINN",
            "NeuralNetwork__Architecture__num_spherical": 7,
        },
        "NeuralNetwork.Architecture.num_spherical has no effect, because PaiNN knows directions by "
        "its vectors and has no spherical basis",
    ),
]


@pytest.mark.parametrize(("changes", "warning"), WARNED)
def test_what_is_hardly_meant_is_warned_of(changes: dict[str, Any], warning: str) -> None:
    assert load_config(make_config(**changes)).warnings == (warning,)


def test_missing_config_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no such config.*did you mean 'lsms'"):
        load_config("configs/lsm.json")
