"""Every JSON sample of HydraGNN's user manual, in a minimal config, means what the manual says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hydria.config import LoadedConfig, load_config
from hydria.config.not_yet import not_yet
from hydria.config.read import read_tree
from tests.support.configs import Tree, make_config, make_potential_config, merged

SAMPLES = Path(__file__).parent / "manual_samples"
ARCHITECTURE = "NeuralNetwork.Architecture"
TRAINING = "NeuralNetwork.Training"
VARIABLES = "NeuralNetwork.Variables_of_interest"
THREE_OUTPUTS = {
    "NeuralNetwork": {
        "Variables_of_interest": {
            "output_names": ["energy", "charge", "moment"],
            "output_index": [0, 1, 2],
            "type": ["graph", "node", "node"],
        }
    }
}
SEES_DISTANCES = {"NeuralNetwork": {"Architecture": {"mpnn_type": "PAINN", "radius": 5.0}}}
BRANCH = {
    "type": "mlp",
    "num_sharedlayers": 2,
    "dim_sharedlayers": 50,
    "num_headlayers": 3,
    "dim_headlayers": [100, 100, 100],
}
GPS = {
    f"{ARCHITECTURE}.global_attn_engine": "GPS",
    f"{ARCHITECTURE}.global_attn_type": "multihead",
    f"{ARCHITECTURE}.global_attn_heads": 8,
    f"{ARCHITECTURE}.pe_dim": 16,
    f"{ARCHITECTURE}.hidden_dim": 128,
}


@dataclass(frozen=True)
class Meaning:
    """What a sample says."""

    values: dict[str, Any]
    inside: str = ""
    """The section that the sample shows the inside of."""
    base: Tree = field(default_factory=dict)
    """What the minimal config needs besides."""
    later: tuple[str, ...] = ()
    """Keys that ask for what this version cannot train."""


MEANINGS = {
    "config_based_loading": Meaning(
        {
            "Dataset.name": "FePt_32atoms",
            "Dataset.path.total": "./dataset/FePt_enthalpy",
            "Dataset.format": "LSMS",
            "Dataset.compositional_stratified_splitting": True,
            "Dataset.node_features.name": ["num_of_protons", "charge_density", "magnetic_moment"],
            "Dataset.node_features.dim": [1, 1, 1],
            "Dataset.node_features.column_index": [0, 5, 6],
            "Dataset.graph_features.name": ["free_energy_scaled_num_nodes"],
            "Dataset.graph_features.dim": [1],
            "Dataset.graph_features.column_index": [0],
        },
        base={"NeuralNetwork": {"Architecture": {"radius": 7.0}}},
    ),
    "standard_splitting": Meaning({f"{TRAINING}.perc_train": 0.7}),
    "stratified_splitting": Meaning({"Dataset.compositional_stratified_splitting": True}),
    "basic_architecture": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "PNA",
            f"{ARCHITECTURE}.hidden_dim": 128,
            f"{ARCHITECTURE}.num_conv_layers": 4,
            f"{ARCHITECTURE}.radius": 7.0,
            f"{ARCHITECTURE}.max_neighbours": 100,
            f"{ARCHITECTURE}.activation_function": "relu",
        }
    ),
    "mpnn_pna": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "PNA",
            f"{ARCHITECTURE}.hidden_dim": 128,
            f"{ARCHITECTURE}.num_conv_layers": 4,
        },
        inside=ARCHITECTURE,
    ),
    "mpnn_egnn": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "EGNN",
            f"{ARCHITECTURE}.equivariance": True,
            f"{ARCHITECTURE}.hidden_dim": 128,
        },
        inside=ARCHITECTURE,
    ),
    "mpnn_cgcnn": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "CGCNN",
            f"{ARCHITECTURE}.num_gaussians": 50,
            f"{ARCHITECTURE}.hidden_dim": 128,
        },
        inside=ARCHITECTURE,
    ),
    "mpnn_schnet": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "SchNet",
            f"{ARCHITECTURE}.num_gaussians": 50,
            f"{ARCHITECTURE}.num_filters": 128,
        },
        inside=ARCHITECTURE,
    ),
    "mpnn_painn": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "PAINN",
            f"{ARCHITECTURE}.num_radial": 6,
            f"{ARCHITECTURE}.num_spherical": 7,
        },
        inside=ARCHITECTURE,
    ),
    "mpnn_mace": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "MACE",
            f"{ARCHITECTURE}.num_radial": 8,
            f"{ARCHITECTURE}.correlation": 3,
        },
        inside=ARCHITECTURE,
    ),
    "output_heads": Meaning(
        {
            f"{ARCHITECTURE}.output_heads.graph": [
                {
                    "type": "branch-0",
                    "architecture": {
                        "type": "mlp",
                        "num_sharedlayers": 2,
                        "dim_sharedlayers": 50,
                        "num_headlayers": 2,
                        "dim_headlayers": [100, 50],
                    },
                }
            ],
            f"{ARCHITECTURE}.output_heads.node": [
                {
                    "type": "branch-0",
                    "architecture": {
                        "type": "mlp",
                        "num_headlayers": 2,
                        "dim_headlayers": [100, 50],
                    },
                }
            ],
            f"{ARCHITECTURE}.task_weights": [1.0, 1.0, 1.0],
        },
        inside=ARCHITECTURE,
        base=THREE_OUTPUTS,
    ),
    "variables_of_interest": Meaning(
        {
            f"{VARIABLES}.input_node_features": [0, 1, 2],
            f"{VARIABLES}.output_names": ["energy", "forces"],
            f"{VARIABLES}.output_index": [0, 1],
            f"{VARIABLES}.type": ["graph", "node"],
            f"{VARIABLES}.output_dim": [1, 3],
            f"{VARIABLES}.denormalize_output": True,
        }
    ),
    "gps": Meaning(GPS),
    "gps_transformers": Meaning(GPS),
    "periodic": Meaning({f"{ARCHITECTURE}.periodic_boundary_conditions": True}),
    "rotational_invariance": Meaning({"Dataset.rotational_invariance": True}),
    "training_parameters": Meaning(
        {
            f"{TRAINING}.num_epoch": 100,
            f"{TRAINING}.batch_size": 32,
            f"{TRAINING}.loss_function_type": "mse",
            f"{TRAINING}.EarlyStopping": True,
            f"{TRAINING}.patience": 10,
            f"{TRAINING}.Optimizer.type": "AdamW",
            f"{TRAINING}.Optimizer.learning_rate": 1e-3,
        }
    ),
    "checkpointing": Meaning(
        {
            f"{TRAINING}.Checkpoint": True,
            f"{TRAINING}.checkpoint_warmup": 5,
            f"{TRAINING}.continue": False,
            f"{TRAINING}.startfrom": "existing_model",
        }
    ),
    "loss_function": Meaning(
        {f"{TRAINING}.loss_function_type": "mae", f"{ARCHITECTURE}.task_weights": [1.0, 10.0]}
    ),
    "forces": Meaning(
        {f"{TRAINING}.compute_grad_energy": True},
        base=make_potential_config(NeuralNetwork__Architecture__enable_interatomic_potential=False),
    ),
    "deepspeed": Meaning(
        {
            "NeuralNetwork.ds_config.train_batch_size": 64,
            "NeuralNetwork.ds_config.zero_optimization.stage": 2,
            "NeuralNetwork.ds_config.zero_optimization.overlap_comm": False,
            "NeuralNetwork.ds_config.optimizer.params.weight_decay": 0.01,
            "NeuralNetwork.ds_config.scheduler.type": "WarmupLR",
            "NeuralNetwork.ds_config.scheduler.params.warmup_num_steps": 1000,
        },
        later=("NeuralNetwork.ds_config",),
    ),
    "branches": Meaning(
        {
            f"{ARCHITECTURE}.output_heads.graph": [
                {"type": "branch-0", "architecture": BRANCH},
                {"type": "branch-1", "architecture": BRANCH},
            ]
        },
        inside=ARCHITECTURE,
    ),
    "egnn_equivariance": Meaning(
        {
            f"{ARCHITECTURE}.mpnn_type": "EGNN",
            f"{ARCHITECTURE}.equivariance": True,
            f"{ARCHITECTURE}.hidden_dim": 128,
            f"{ARCHITECTURE}.num_conv_layers": 4,
        }
    ),
    "energy_and_forces": Meaning(
        {
            f"{TRAINING}.compute_grad_energy": True,
            f"{VARIABLES}.output_names": ["energy", "forces"],
            f"{VARIABLES}.type": ["graph", "node"],
        },
        base=SEES_DISTANCES,
    ),
    "memory_batch_size": Meaning({f"{TRAINING}.batch_size": 16}),
    "memory_conv_checkpointing": Meaning({f"{TRAINING}.conv_checkpointing": True}),
    "convergence": Meaning(
        {
            f"{TRAINING}.Optimizer.learning_rate": 1e-4,
            f"{TRAINING}.num_epoch": 500,
            f"{TRAINING}.EarlyStopping": False,
            f"{ARCHITECTURE}.hidden_dim": 256,
            f"{ARCHITECTURE}.num_conv_layers": 6,
        }
    ),
    "verbosity": Meaning({"Verbosity.level": 4}),
    "multi_task_learning": Meaning(
        {
            f"{ARCHITECTURE}.task_weights": [1.0, 10.0],
            f"{TRAINING}.loss_function_type": "mae",
            f"{TRAINING}.batch_size": 32,
        },
        inside=TRAINING,
    ),
    "production_checkpointing": Meaning(
        {
            f"{TRAINING}.Checkpoint": True,
            f"{TRAINING}.checkpoint_warmup": 10,
            f"{TRAINING}.continue": False,
        }
    ),
}
STARTING_POINTS = {
    f"{ARCHITECTURE}.hidden_dim": 128,
    f"{ARCHITECTURE}.num_conv_layers": 4,
    f"{TRAINING}.Optimizer.learning_rate": 1e-3,
    f"{TRAINING}.batch_size": 32,
}


def value_at(loaded: LoadedConfig, path: str) -> Any:
    node: Any = loaded.config.model_dump(mode="json", by_alias=True)
    for key in path.split("."):
        node = node[key]
    return node


def around(sample: Tree, section: str) -> Tree:
    """The sample inside the section it belongs to."""
    for key in reversed(section.split(".") if section else []):
        sample = {key: sample}
    return sample


def minimal(sample: Tree) -> Tree:
    """The minimal config, without the sections that the sample prints at the top of a file."""
    base = make_config()
    for name in ("Architecture", "Variables_of_interest"):
        for key in sample.get(name, {}):
            base["NeuralNetwork"][name].pop(key, None)
    return base


def test_every_sample_has_its_meaning_here() -> None:
    assert {file.stem for file in SAMPLES.iterdir()} == {*MEANINGS, "starting_points"}


@pytest.mark.parametrize("name", MEANINGS)
def test_sample_means_what_the_manual_says(name: str) -> None:
    meaning = MEANINGS[name]
    sample = around(read_tree(SAMPLES / f"{name}.json5"), meaning.inside)
    loaded = load_config(merged(merged(minimal(sample), meaning.base), sample))
    assert {path: value_at(loaded, path) for path in meaning.values} == meaning.values
    assert {path: loaded.origin(path) for path in meaning.values} == dict.fromkeys(
        meaning.values, "file"
    )


@pytest.mark.parametrize("name", MEANINGS)
def test_sample_names_what_cannot_be_trained_yet(name: str) -> None:
    meaning = MEANINGS[name]
    sample = around(read_tree(SAMPLES / f"{name}.json5"), meaning.inside)
    loaded = load_config(merged(merged(minimal(sample), meaning.base), sample))
    found = {problem.path for problem in not_yet(loaded.config)}
    assert found - {f"{ARCHITECTURE}.mpnn_type"} == set(meaning.later)


def test_starting_points_can_be_given_on_the_command_line() -> None:
    """The manual prints them without their sections."""
    sample = read_tree(SAMPLES / "starting_points.json5")
    loaded = load_config(make_config(), [f"{key}={value}" for key, value in sample.items()])
    assert {path: value_at(loaded, path) for path in STARTING_POINTS} == STARTING_POINTS


def test_schedule_of_the_manual_is_the_default() -> None:
    """Section "Learning Rate Scheduling": the Python sample every example repeats."""
    scheduler = load_config(make_config()).config.neural_network.training.scheduler
    assert scheduler.model_dump(include={"type", "factor", "patience", "min_lr"}) == {
        "type": "ReduceLROnPlateau",
        "factor": 0.5,
        "patience": 5,
        "min_lr": 1e-5,
    }


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_losses_of_the_manual_are_known(loss: str) -> None:
    training = load_config(make_config(), [f"loss_function_type={loss}"]).config.neural_network
    assert training.training.loss_function_type == loss
