"""Every key that HydraGNN reads is typed here, mapped, or named once as unused."""

from __future__ import annotations

from typing import Any

import pytest

from hydria.config import load_config
from hydria.config.architectures import ARCHITECTURES
from tests.support.configs import make_config, make_potential_config, put

ARCHITECTURE = "NeuralNetwork.Architecture"
TRAINING = "NeuralNetwork.Training"
VARIABLES = "NeuralNetwork.Variables_of_interest"
HEAD = {"num_headlayers": 1, "dim_headlayers": [8]}

# Source: key inventory of ORNL/HydraGNN at d251f816. Path → a value that is not our default.
TYPED: dict[str, Any] = {
    "Verbosity.level": 3,
    "Dataset.name": "FePt",
    "Dataset.format": "CFG",
    "Dataset.compositional_stratified_splitting": True,
    "Dataset.rotational_invariance": True,
    "Dataset.normalize_features": False,
    "Dataset.Descriptors.SphericalCoordinates": True,
    "Dataset.Descriptors.PointPairFeatures": True,
    f"{ARCHITECTURE}.hidden_dim": 15,
    f"{ARCHITECTURE}.num_conv_layers": 7,
    f"{ARCHITECTURE}.radius": 2.5,
    f"{ARCHITECTURE}.max_neighbours": 9,
    f"{ARCHITECTURE}.periodic_boundary_conditions": True,
    f"{ARCHITECTURE}.activation_function": "lrelu_025",
    f"{ARCHITECTURE}.graph_pooling": "add",
    f"{ARCHITECTURE}.edge_features": ["lengths"],
    f"{ARCHITECTURE}.task_weights": [1.0, 2.0],
    f"{ARCHITECTURE}.freeze_conv_layers": True,
    f"{ARCHITECTURE}.initial_bias": 0.5,
    f"{ARCHITECTURE}.SyncBatchNorm": False,
    f"{ARCHITECTURE}.pe_dim": 6,
    f"{ARCHITECTURE}.global_attn_heads": 4,
    f"{ARCHITECTURE}.global_attn_type": "performer",
    f"{ARCHITECTURE}.equivariant_attn_lmax": 3,
    f"{ARCHITECTURE}.equivariant_attn_num_radial": 8,
    f"{ARCHITECTURE}.equivariant_attn_feedforward_multiplier": 4,
    f"{ARCHITECTURE}.equivariant_attn_allow_scalar_only": True,
    f"{ARCHITECTURE}.equivariant_attn_require_tensor_coupling": False,
    f"{ARCHITECTURE}.equivariant_attn_chunk_size": 64,
    f"{ARCHITECTURE}.equivariant_attn_coupling_mode": "sequential",
    f"{ARCHITECTURE}.use_graph_attr_conditioning": True,
    f"{ARCHITECTURE}.graph_attr_conditioning_mode": "film",
    f"{ARCHITECTURE}.enable_interatomic_potential": True,
    f"{ARCHITECTURE}.energy_weight": 1.5,
    f"{ARCHITECTURE}.energy_peratom_weight": 2.5,
    f"{ARCHITECTURE}.force_weight": 3.5,
    f"{VARIABLES}.input_node_features": [1, 2],
    f"{VARIABLES}.output_dim": [1, 3],
    f"{VARIABLES}.denormalize_output": True,
    f"{VARIABLES}.subsample_percentage": 0.5,
    f"{TRAINING}.num_epoch": 7,
    f"{TRAINING}.batch_size": 5,
    f"{TRAINING}.perc_train": 0.9,
    f"{TRAINING}.loss_function_type": "GaussianNLLLoss",
    f"{TRAINING}.EarlyStopping": True,
    f"{TRAINING}.patience": 4,
    f"{TRAINING}.Checkpoint": False,
    f"{TRAINING}.checkpoint_warmup": 2,
    f"{TRAINING}.startfrom": "another_run",
    f"{TRAINING}.conv_checkpointing": True,
    f"{TRAINING}.global_attn_redraw_interval": 50,
    f"{TRAINING}.precision": "bf16",
    f"{TRAINING}.compute_grad_energy": True,
    f"{TRAINING}.Optimizer.type": "RMSprop",
    f"{TRAINING}.Optimizer.learning_rate": 0.2,
    f"{TRAINING}.Optimizer.use_zero_redundancy": True,
    "NeuralNetwork.ds_config": {"train_batch_size": 8},
    "Visualization.plot_init_solution": True,
    "Visualization.plot_hist_solution": True,
    "Visualization.create_plots": False,
}
# mpnn_type → its own options
OWN: dict[str, dict[str, Any]] = {
    "PNAPlus": {"num_radial": 4, "envelope_exponent": 3},
    "PNAEq": {"num_radial": 4},
    "CGCNN": {"num_gaussians": 20},
    "SchNet": {"num_gaussians": 20, "num_filters": 30},
    "DimeNet": {
        "basis_emb_size": 3,
        "envelope_exponent": 3,
        "int_emb_size": 20,
        "out_emb_size": 24,
        "num_after_skip": 3,
        "num_before_skip": 2,
        "num_radial": 4,
        "num_spherical": 3,
    },
    "EGNN": {"equivariance": True},
    "PAINN": {"num_radial": 4, "equivariance": True},
    "MACE": {
        "num_radial": 4,
        "max_ell": 3,
        "node_max_ell": 2,
        "radial_type": "chebyshev",
        "distance_transform": "Agnesi",
        "correlation": [3, 2, 1],
        "envelope_exponent": 3,
        "avg_num_neighbors": 12.5,
    },
}
UNUSED = [
    "Profile",
    "NeuralNetwork.Profile",
    f"{TRAINING}.epoch_start",
    f"{TRAINING}.CheckRemainingTime",
    f"{TRAINING}.Batching",
]
MEASURED = [
    *(
        f"{ARCHITECTURE}.{key}"
        for key in (
            "input_dim",
            "output_dim",
            "output_type",
            "num_nodes",
            "pna_deg",
            "avg_num_neighbors",
            "edge_dim",
        )
    ),
    *(
        f"{VARIABLES}.{key}"
        for key in (
            "minmax_node_feature",
            "minmax_graph_feature",
            "x_minmax",
            "y_minmax",
            "input_node_feature_dims",
            "graph_feature_dims",
            "node_feature_dims",
        )
    ),
]


SWITCHES = (f"{ARCHITECTURE}.enable_interatomic_potential", f"{TRAINING}.compute_grad_energy")


def loaded_with(path: str, value: Any) -> Any:
    """The value under `path`, as resolved, when a file gives it."""
    tree = make_potential_config() if path in SWITCHES else make_config()
    for switch in SWITCHES:
        put(tree, switch, False)
    put(tree, path, value)
    node = load_config(tree).config.model_dump(mode="json", by_alias=True)
    for key in path.split("."):
        node = node[key]
    return node


@pytest.mark.parametrize("path", TYPED)
def test_typed_key_keeps_its_value(path: str) -> None:
    assert loaded_with(path, TYPED[path]) == TYPED[path]
    assert loaded_with(path, TYPED[path]) != load_default(path)


def load_default(path: str) -> Any:
    node = load_config(make_config()).config.model_dump(mode="json", by_alias=True)
    for key in path.split("."):
        node = node[key]
    return node


@pytest.mark.parametrize("name", OWN)
def test_options_of_an_architecture_keep_their_values(name: str) -> None:
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"] |= {"mpnn_type": name, **OWN[name]}
    loaded = load_config(tree)
    options = loaded.config.neural_network.architecture.model_dump(mode="json", by_alias=True)
    assert {key: options[key] for key in OWN[name]} == OWN[name]
    assert loaded.warnings == ()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_loads_with_nothing_but_its_name(name: str) -> None:
    tree = make_config(NeuralNetwork__Architecture__max_neighbours=10)
    tree["NeuralNetwork"]["Architecture"]["mpnn_type"] = name
    architecture = load_config(tree).config.neural_network.architecture
    assert type(architecture) is ARCHITECTURES[name]
    assert architecture.mpnn_type == name


@pytest.mark.parametrize("path", UNUSED)
def test_key_without_a_use_is_named_once(path: str) -> None:
    warnings = warnings_for(path, {"enable": 1})
    section, _, key = path.rpartition(".")
    where = f" ({section})" if section else ""
    assert warnings == (f"keys without a use here: {key}{where}",)


@pytest.mark.parametrize("path", MEASURED)
def test_what_upstream_writes_back_is_measured_again(path: str) -> None:
    section, _, key = path.rpartition(".")
    assert warnings_for(path, [1]) == (f"measured again from the data: {key} ({section})",)


def test_options_of_other_architectures_are_named_once() -> None:
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"] |= {"num_gaussians": 10, "max_ell": "high"}
    assert load_config(tree).warnings == (
        f"options of other architectures: max_ell, num_gaussians ({ARCHITECTURE})",
    )


def warnings_for(path: str, value: Any) -> tuple[str, ...]:
    tree = make_config()
    put(tree, path, value)
    return load_config(tree).warnings


@pytest.mark.parametrize("value", [{"total": "raw"}, "raw", {"raw": {"total": "raw"}}])
def test_data_path_in_the_forms_of_all_versions(value: Any) -> None:
    assert (
        load_config(make_config(dataset=True, Dataset__path=value)).config.dataset.path.total
        == "raw"
    )


def test_given_sets_are_read() -> None:
    sets = {"train": "a", "validate": "b", "test": "c"}
    path = load_config(make_config(dataset=True, Dataset__path=sets)).config.dataset.path
    assert (path.total, path.train, path.validation, path.test) == (None, "a", "b", "c")


@pytest.mark.parametrize(("value", "meaning"), [(0, False), (1, True), (True, True)])
def test_continue_is_a_number_or_a_truth(value: Any, meaning: bool) -> None:
    config = load_config(make_config(NeuralNetwork__Training__continue=value)).config
    assert config.neural_network.training.continue_ is meaning


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("fp32", "fp32"),
        ("FLOAT32", "fp32"),
        (32, "fp32"),
        ("single", "fp32"),
        ("float64", "fp64"),
        (64, "fp64"),
        ("double", "fp64"),
        ("bfloat16", "bf16"),
    ],
)
def test_precision_has_other_names(written: Any, meaning: str) -> None:
    assert loaded_with(f"{TRAINING}.precision", written) == meaning


@pytest.mark.parametrize("engine", ["", None])
def test_no_global_attention_is_blank_or_null(engine: Any) -> None:
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"] |= {
        "global_attn_engine": engine,
        "global_attn_type": engine,
    }
    architecture = load_config(tree).config.neural_network.architecture
    assert (architecture.global_attn_engine, architecture.global_attn_type) == (None, None)


@pytest.mark.parametrize("key", ["equivariance", "freeze_conv_layers", "pe_dim", "edge_features"])
def test_null_means_the_default(key: str) -> None:
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"][key] = None
    path = f"{ARCHITECTURE}.{key}"
    loaded = load_config(tree)
    assert loaded.origin(path) == "default"
    assert getattr(loaded.config.neural_network.architecture, key) in (False, 0, ())


def test_edge_length_is_spelt_in_two_ways() -> None:
    """Upstream counts the names; its examples write `length` and `lengths`."""
    assert loaded_with(f"{ARCHITECTURE}.edge_features", ["length"]) == ["lengths"]


def test_heads_are_given_plainly_or_as_branches() -> None:
    plain = make_config(NeuralNetwork__Architecture__output_heads__node=HEAD)
    branch = {"type": "branch-0", "architecture": HEAD}
    listed = make_config(NeuralNetwork__Architecture__output_heads__node=[branch])
    assert load_config(plain).config == load_config(listed).config
