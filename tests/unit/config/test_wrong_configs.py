"""What is wrong in a config: every problem at once, each at its place, with what would work."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hydria.config import load_config
from hydria.config.explain import schema
from hydria.config.hydragnn_json import ALIASES, MOVED, UNUSED
from hydria.core.errors import ConfigError
from tests.support.configs import make_config, merged, put

ARCHITECTURE = "NeuralNetwork.Architecture"
TRAINING = "NeuralNetwork.Training"
VARIABLES = "NeuralNetwork.Variables_of_interest"


def problems(tree: Any, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(tree, overrides)
    return [str(problem) for problem in caught.value.problems]


def test_five_mistakes_are_five_problems() -> None:
    """A unit, a type, a misspelt key, an unknown name and an index that is out of range."""
    tree = make_config(dataset=True)
    put(tree, f"{ARCHITECTURE}.radius", -2)
    put(tree, f"{ARCHITECTURE}.hiden_dim", 32)
    put(tree, f"{TRAINING}.num_epoch", "many")
    put(tree, f"{TRAINING}.Optimizer.type", "FusedLAMB")
    put(tree, f"{VARIABLES}.output_index", [0, 7])
    assert problems(tree) == [
        f"{ARCHITECTURE}.radius: expected a number > 0 (Å), got -2",
        f"{ARCHITECTURE}.hiden_dim: unknown key. Hint: did you mean 'hidden_dim'?",
        f'{TRAINING}.num_epoch: expected a whole number, got "many"',
        f"{TRAINING}.Optimizer.type: expected one of SGD, Adam, AdamW, Adamax, Adadelta, Adagrad, "
        'RMSprop, got "FusedLAMB". Hint: FusedLAMB is DeepSpeed\'s; AdamW is the nearest of these',
        f"{VARIABLES}.output_index[1]: expected an index from 0 to 2 into Dataset.node_features "
        "(num_of_protons, charge_density, magnetic_moment), got 7",
    ]


def test_what_an_unknown_kind_hides_is_reported_too() -> None:
    tree = make_config(dataset=True)
    put(tree, f"{ARCHITECTURE}.mpnn_type", "PAIN")
    put(tree, f"{ARCHITECTURE}.radius", -3)
    put(tree, f"{ARCHITECTURE}.task_weights", [1])
    put(tree, f"{TRAINING}.Optimizer", {"type": "Adm", "learning_rate": 0})
    paths = [line.split(": ")[0] for line in problems(tree)]
    assert paths == [
        f"{ARCHITECTURE}.mpnn_type",
        f"{TRAINING}.Optimizer.type",
        f"{ARCHITECTURE}.radius",
        f"{TRAINING}.Optimizer.learning_rate",
        f"{ARCHITECTURE}.task_weights",
    ]


TYPES = "PNA, PNAPlus, PNAEq, EGNN, CGCNN, SchNet, PAINN, MACE, DimeNet, GAT, GIN, SAGE, MFC"
LOSSES = "mse, mae, rmse, huber, smooth_l1, GaussianNLLLoss"
FORMATS = "CFG, CIF, LSMS, POSCAR, SMILES, XYZ, ase, extxyz, pickle, store, unit_test"
LATTICE = "three lattice vectors as rows (Å), or the name of a CSV file"

# path, value, the one message
VALUES: list[tuple[str, Any, str]] = [
    ("Verbosity.level", 5, "Verbosity.level: expected a number ≤ 4, got 5"),
    ("Verbosity.level", True, "Verbosity.level: expected a whole number, got true"),
    ("devices", 0, "devices: expected a number > 0, got 0"),
    ("workload", "potential", 'workload: expected property, got "potential"'),
    ("Verbositi", {}, "Verbositi: unknown key. Hint: did you mean 'Verbosity'?"),
    (
        "Variables",
        {"inputs": []},
        "Variables: unknown key. Hint: write it as NeuralNetwork.Variables_of_interest",
    ),
    ("Dataset", "lsms", 'Dataset: expected an object with keys, got "lsms"'),
    (
        "Dataset.name",
        "a/b",
        "Dataset.name: expected a name of letters, digits, '.', '_', '+' and '-', got \"a/b\"",
    ),
    (
        "Dataset.format",
        "LSM",
        f"Dataset.format: expected one of {FORMATS}, got \"LSM\". Hint: did you mean 'LSMS'?",
    ),
    (
        "Dataset.path",
        {"train": "a"},
        "Dataset.path: expected either 'total', or all of 'train', 'validate' and 'test'",
    ),
    (
        "Dataset.path",
        {"total": "a", "test": "b"},
        "Dataset.path: expected either 'total', or all of 'train', 'validate' and 'test'",
    ),
    ("Dataset.path.total", 3, "Dataset.path.total: expected text, got 3"),
    (
        "Dataset.node_features.column_index",
        [0, 5],
        "Dataset.node_features: expected name, dim and column_index of one length, got 3, 3 and 2",
    ),
    (
        "Dataset.node_features.column_index",
        [0, 5, -1],
        "Dataset.node_features.column_index[2]: expected a number ≥ 0, got -1",
    ),
    (
        "Dataset.node_features.name",
        ["a", "b", "a"],
        'Dataset.node_features: expected different names, got ["a", "b", "a"]',
    ),
    ("Dataset.lattice", [[1, 2], 3], f"Dataset.lattice: expected {LATTICE}, got [[1, 2], 3]"),
    ("Dataset.lattice", "", 'Dataset.lattice: expected the name of a CSV file, got ""'),
    (
        "Dataset.lattice",
        [[1, 0, 0], [2, 0, 0], [0, 0, 1]],
        "Dataset.lattice: expected vectors that span a volume (Å³), got [[1.0, 0.0, 0.0], "
        "[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]]",
    ),
    (
        "Dataset.normalization_range",
        [0, 2],
        "Dataset.normalization_range: expected [0, 1] or [-1, 1], got [0.0, 2.0]",
    ),
    ("NeuralNetwork", [], "NeuralNetwork: expected an object with keys, got []"),
    (
        f"{ARCHITECTURE}.mpnn_type",
        "PNN",
        f'{ARCHITECTURE}.mpnn_type: expected one of {TYPES}, got "PNN". '
        "Hint: did you mean 'PAINN'?",
    ),
    (
        f"{ARCHITECTURE}.mpnn_type",
        3,
        f"{ARCHITECTURE}.mpnn_type: expected one of {TYPES}, got 3",
    ),
    (
        f"{ARCHITECTURE}.radius",
        float("nan"),
        f"{ARCHITECTURE}.radius: expected a finite number (Å), got NaN",
    ),
    (f"{ARCHITECTURE}.radius", "far", f'{ARCHITECTURE}.radius: expected a number (Å), got "far"'),
    (f"{ARCHITECTURE}.radius", True, f"{ARCHITECTURE}.radius: expected a number (Å), got true"),
    (
        f"{ARCHITECTURE}.max_neighbours",
        12.5,
        f"{ARCHITECTURE}.max_neighbours: expected a whole number, got 12.5",
    ),
    (
        f"{ARCHITECTURE}.periodic_boundary_conditions",
        "perhaps",
        f'{ARCHITECTURE}.periodic_boundary_conditions: expected true or false, got "perhaps"',
    ),
    (
        f"{ARCHITECTURE}.activation_function",
        "gelu",
        f"{ARCHITECTURE}.activation_function: expected one of relu, silu, selu, prelu, elu, "
        "lrelu_01, lrelu_025, lrelu_05, sigmoid, got \"gelu\". Hint: did you mean 'elu'?",
    ),
    (
        f"{ARCHITECTURE}.edge_features",
        ["angles"],
        f'{ARCHITECTURE}.edge_features[0]: expected one of lengths, bond_order, got "angles"',
    ),
    (
        f"{ARCHITECTURE}.task_weights",
        [1],
        f"{ARCHITECTURE}.task_weights: expected 2, one for each output (energy, charge), got 1",
    ),
    (
        f"{ARCHITECTURE}.task_weights",
        [0, 0],
        f"{ARCHITECTURE}.task_weights: expected a weight > 0, got only zeros",
    ),
    (
        f"{ARCHITECTURE}.task_weights",
        [1, -1],
        f"{ARCHITECTURE}.task_weights[1]: expected a number ≥ 0, got -1",
    ),
    (
        f"{ARCHITECTURE}.batch_size",
        3,
        f"{ARCHITECTURE}.batch_size: unknown key. Hint: batch_size belongs under {TRAINING}",
    ),
    (
        f"{ARCHITECTURE}.output_heads.graph",
        3,
        f"{ARCHITECTURE}.output_heads.graph: expected a head, or a list of branches, got 3",
    ),
    (
        f"{ARCHITECTURE}.output_heads.graph",
        {"num_headlayers": 3, "dim_headlayers": [5, 5]},
        f"{ARCHITECTURE}.output_heads.graph: expected num_headlayers=3 widths in dim_headlayers, "
        "got 2",
    ),
    (
        f"{ARCHITECTURE}.output_heads.graph",
        {"num_shared_layers": 3},
        f"{ARCHITECTURE}.output_heads.graph.num_shared_layers: unknown key. "
        "Hint: did you mean 'num_sharedlayers'?",
    ),
    (
        f"{ARCHITECTURE}.output_heads.node",
        [{"type": "branch-0", "architecture": {"type": "cnn"}}],
        f"{ARCHITECTURE}.output_heads.node[0].architecture.type: expected one of mlp, "
        'mlp_per_node, conv, got "cnn"',
    ),
    (
        f"{ARCHITECTURE}.output_heads.node",
        [{"type": "first", "architecture": {}}],
        f'{ARCHITECTURE}.output_heads.node[0].type: expected branch-0, branch-1, …, got "first"',
    ),
    (
        f"{ARCHITECTURE}.output_heads.node",
        [{"type": "branch-0", "architecture": {}}] * 2,
        f"{ARCHITECTURE}.output_heads.node: expected branches of different types, got branch-0, "
        "branch-0",
    ),
    (
        f"{ARCHITECTURE}.equivariance",
        True,
        f"{ARCHITECTURE}.equivariance: expected false, because PNA has no vector features, "
        "got true. Hint: EGNN, MACE, PAINN, PNAEq, SchNet have",
    ),
    (
        f"{ARCHITECTURE}.periodic_boundary_conditions",
        True,
        f"{ARCHITECTURE}.periodic_boundary_conditions: expected Dataset.lattice, because LSMS "
        "files hold no lattice; got none. Hint: give three lattice vectors as rows (Å), or a CSV "
        "file with one line for each file",
    ),
    (
        f"{VARIABLES}.output_names",
        "energy",
        f'{VARIABLES}.output_names: expected a list, got "energy"',
    ),
    (
        f"{VARIABLES}.output_names",
        ["energy", "energy"],
        f'{VARIABLES}: expected different output_names, got ["energy", "energy"]',
    ),
    (
        f"{VARIABLES}.output_names",
        ["energy"],
        f"{VARIABLES}: expected as many output_names, output_index, type as outputs, got "
        "output_names 1, output_index 2, type 2",
    ),
    (
        f"{VARIABLES}.type",
        ["graph", "edge"],
        f'{VARIABLES}.type[1]: expected one of graph, node, got "edge"',
    ),
    (
        f"{VARIABLES}.input_node_features",
        [],
        f"{VARIABLES}.input_node_features: expected at least 1 item in the list, got []",
    ),
    (
        f"{VARIABLES}.input_node_features",
        [0, 3],
        f"{VARIABLES}.input_node_features[1]: expected an index from 0 to 2 into "
        "Dataset.node_features (num_of_protons, charge_density, magnetic_moment), got 3",
    ),
    (
        f"{VARIABLES}.output_index",
        [1, 1],
        f"{VARIABLES}.output_index[0]: expected an index from 0 to 0 into Dataset.graph_features "
        "(energy), got 1",
    ),
    (
        f"{VARIABLES}.output_dim",
        [1, 3],
        f"{VARIABLES}.output_dim[1]: expected 1, the columns of 'charge_density' in "
        "Dataset.node_features, got 3",
    ),
    (
        f"{VARIABLES}.subsample_percentage",
        1.5,
        f"{VARIABLES}.subsample_percentage: expected a number ≤ 1, got 1.5",
    ),
    (f"{TRAINING}.batch_size", 0, f"{TRAINING}.batch_size: expected a number > 0, got 0"),
    (f"{TRAINING}.perc_train", 1.0, f"{TRAINING}.perc_train: expected a number < 1, got 1.0"),
    (f"{TRAINING}.patience", 0, f"{TRAINING}.patience: expected a number > 0, got 0"),
    (f"{TRAINING}.continue", 2, f"{TRAINING}.continue: expected true or false, got 2"),
    (
        f"{TRAINING}.loss_function_type",
        "hubber",
        f'{TRAINING}.loss_function_type: expected one of {LOSSES}, got "hubber". '
        "Hint: did you mean 'huber'?",
    ),
    (
        f"{TRAINING}.precision",
        "fp16",
        f'{TRAINING}.precision: expected one of fp32, fp64, bf16, got "fp16". '
        "Hint: bf16 is the format of 16 bits here",
    ),
    (
        f"{TRAINING}.Optimizer",
        {"type": "SGD", "betas": [0.9, 0.99]},
        f"{TRAINING}.Optimizer.betas: unknown key. Hint: betas is an option of Adam, AdamW, Adamax",
    ),
    (
        f"{TRAINING}.Optimizer",
        {"type": "SGD", "nesterov": True},
        f"{TRAINING}.Optimizer: expected momentum > 0 and dampening 0 with nesterov, got "
        "momentum 0 and dampening 0",
    ),
    (
        f"{TRAINING}.Optimizer",
        {"type": "Adam", "betas": [0.9, 1]},
        f"{TRAINING}.Optimizer.betas[1]: expected a number < 1, got 1",
    ),
    (
        f"{TRAINING}.Scheduler",
        {"type": "StepLR"},
        f"{TRAINING}.Scheduler.step_size: expected a value, got none. "
        "Hint: Epochs between two steps",
    ),
    (
        f"{TRAINING}.Scheduler.type",
        "cosine",
        f"{TRAINING}.Scheduler.type: expected one of ReduceLROnPlateau, StepLR, ExponentialLR, "
        'CosineAnnealingLR, ConstantLR, got "cosine"',
    ),
    ("Job.memory", "64", "Job.memory: expected a memory size with its unit, such as 64G, got '64'"),
]


@pytest.mark.parametrize(("path", "value", "message"), VALUES)
def test_wrong_value_says_where_what_and_why(path: str, value: Any, message: str) -> None:
    tree = make_config(dataset=True)
    put(tree, path, value)
    assert problems(tree) == [message]


MISSING: list[tuple[str, str]] = [
    (
        "NeuralNetwork",
        "NeuralNetwork: expected an object with keys, got none. "
        "Hint: The sections Architecture, Variables_of_interest and Training",
    ),
    (
        ARCHITECTURE,
        f"{ARCHITECTURE}: expected an object with keys, got none. "
        "Hint: Kind and size of the graph neural network; mpnn_type is the kind",
    ),
    (
        VARIABLES,
        f"{VARIABLES}: expected an object with keys, got none. Hint: Which features go in and "
        "which come out: output_names, output_index and type",
    ),
    (
        f"{ARCHITECTURE}.mpnn_type",
        f"{ARCHITECTURE}.mpnn_type: expected a value, got none. Hint: Graph neural network type",
    ),
    (
        f"{ARCHITECTURE}.radius",
        f"{ARCHITECTURE}.radius: expected a number > 0 (Å), because graphs are built from LSMS "
        "files; got none. Hint: a little more than the distance of second neighbours, such as "
        '"radius": 5.0',
    ),
    (
        f"{ARCHITECTURE}.output_heads.graph",
        f"{ARCHITECTURE}.output_heads.graph: expected a head, because an output has type 'graph'; "
        "got none. Hint: num_headlayers and dim_headlayers describe it",
    ),
    (
        f"{VARIABLES}.output_names",
        f"{VARIABLES}.output_names: expected a value, got none. Hint: A name for each output",
    ),
]


@pytest.mark.parametrize(("path", "message"), MISSING)
def test_missing_part_is_named(path: str, message: str) -> None:
    tree = make_config(dataset=True)
    put(tree, path, None)
    assert problems(tree) == [message]


def test_misspelt_key_is_not_also_missing() -> None:
    tree = make_config(dataset=True)
    put(tree, f"{VARIABLES}.output_names", None)
    put(tree, f"{VARIABLES}.output_name", ["energy", "charge"])
    assert problems(tree) == [
        f"{VARIABLES}.output_name: unknown key. Hint: did you mean 'output_names'?"
    ]


# changes of the architecture, the one message
LIMITS: list[tuple[dict[str, Any], str]] = [
    (
        {"mpnn_type": "GIN", "edge_features": ["lengths"]},
        'edge_features: expected none, because GIN does not see edge features, got ["lengths"]',
    ),
    (
        {"mpnn_type": "MFC"},
        "max_neighbours: expected a number > 0, because MFC has one layer for each number of "
        "neighbours; got none",
    ),
    (
        {"mpnn_type": "MACE", "correlation": [3, 2]},
        "correlation: expected a number, or one for each of 3 layers, got 2",
    ),
    (
        {"use_graph_attr_conditioning": True, "graph_attr_conditioning_mode": "multiply"},
        "graph_attr_conditioning_mode: expected one of concat_node, film, fuse_pool, "
        'got "multiply"',
    ),
    (
        {"mpnn_type": "MACE", "correlation": "high"},
        'correlation: expected a whole number > 0, or a list of them, got "high"',
    ),
    (
        {"global_attn_engine": "GPS", "global_attn_type": "multihead", "global_attn_heads": 0},
        "global_attn_heads: expected a number > 0, got 0",
    ),
    (
        {"global_attn_engine": "GPS", "global_attn_heads": 8},
        "global_attn_type: expected one of multihead, performer, performer_relu, got none",
    ),
    (
        {
            "global_attn_engine": "GPS",
            "global_attn_type": "multihead",
            "global_attn_heads": 8,
            "hidden_dim": 100,
        },
        "hidden_dim: expected a multiple of global_attn_heads = 8, got 100. "
        "Hint: 96 and 104 are near",
    ),
]


@pytest.mark.parametrize(("changes", "message"), LIMITS)
def test_limit_of_an_architecture_is_stated(changes: dict[str, Any], message: str) -> None:
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"] |= changes
    assert problems(tree) == [f"{ARCHITECTURE}.{message}"]


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"NeuralNetwork": {"Training": {"learning_rate": 0.1, "Optimizer": {"learning_rate": 1}}}},
        f"{TRAINING}.learning_rate: got 0.1, which contradicts {TRAINING}.Optimizer.learning_rate "
        "= 1. Hint: keep one of the two",
    ),
    (
        {
            "NeuralNetwork": {
                "Architecture": {"task_weights": [1, 1]},
                "Training": {"task_weights": [1, 2]},
            }
        },
        f"{TRAINING}.task_weights: got [1, 2], which contradicts {ARCHITECTURE}.task_weights = "
        "[1, 1]. Hint: keep one of the two",
    ),
    (
        {"NeuralNetwork": {"Architecture": {"model_type": "EGNN"}}},
        f'{ARCHITECTURE}.model_type: got "EGNN", which contradicts {ARCHITECTURE}.mpnn_type = '
        '"PNA". Hint: keep one of the two',
    ),
    (
        {"Training": {"num_epoch": 3}, "NeuralNetwork": {"Training": {"num_epoch": 4}}},
        f"Training.num_epoch: got 3, which contradicts {TRAINING}.num_epoch = 4",
    ),
    (
        {
            "NeuralNetwork": {
                "Architecture": {"mpnn_type": "MACE"},
                "Variables_of_interest": {"input_node_features": [0, 1]},
            }
        },
        "NeuralNetwork.Variables_of_interest.input_node_features: expected the atomic number "
        "alone, because MACE has weights by element, got 2 columns",
    ),
    (
        {
            "NeuralNetwork": {"Architecture": {"mpnn_type": "MACE"}},
            "Dataset": {"Descriptors": {"AtomicDescriptors": ["mass"]}},
        },
        "Dataset.Descriptors.AtomicDescriptors: expected none, because MACE has weights by "
        'element, got ["mass"]',
    ),
    (
        {"NeuralNetwork": {"Training": {"continue": 1, "startfrom": "new_model"}}},
        f"{TRAINING}.startfrom: got new_model, which contradicts continue = 1. "
        "Hint: name the run to continue from, or write continue: 0",
    ),
]


@pytest.mark.parametrize(("change", "message"), CONTRADICTIONS)
def test_contradiction_is_an_error(change: dict[str, Any], message: str) -> None:
    assert problems(merged(make_config(), change)) == [message]


OVERRIDES: list[tuple[str, str]] = [
    ("num_epoch", "num_epoch: expected key=value. Hint: such as "
     "NeuralNetwork.Training.num_epoch=5"),
    ("=5", "=5: expected key=value. Hint: such as NeuralNetwork.Training.num_epoch=5"),
    ("hidden_dimm=3", f"hidden_dimm: unknown key. Hint: did you mean {ARCHITECTURE}.hidden_dim?"),
    ("colour=3", "colour: unknown key. Hint: 'hydria config schema' lists them"),
    (
        "num_headlayers=3",
        f"num_headlayers: could be several keys. Hint: write {ARCHITECTURE}.output_heads.graph."
        f"num_headlayers or {ARCHITECTURE}.output_heads.node.num_headlayers",
    ),
    ("num_epoch.more=3", f"{TRAINING}.num_epoch: expected a whole number, got {{\"more\": 3}}"),
    ("Dataset.name.first=a", "Dataset.name.first: Dataset.name is no section"),
    ("num_epoch=x", f'{TRAINING}.num_epoch: expected a whole number, got "x"'),
]  # fmt: skip


@pytest.mark.parametrize(("override", "message"), OVERRIDES)
def test_wrong_override_is_explained(override: str, message: str) -> None:
    assert problems(make_config(dataset=True), override) == [message]


def test_overrides_and_file_are_reported_together() -> None:
    tree = make_config(NeuralNetwork__Training__num_epoch=0)
    assert len(problems(tree, "hidden_dimm=3", "batch_size=0")) == 3


KEYS = sorted(
    {key for path in schema() for key in path}
    | {key for table in (ALIASES, MOVED) for path in table for key in path}
    | {key for keys in UNUSED.values() for key in keys}
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.floats(),
    st.sampled_from(["PNA", "MACE", "AdamW", "mlp", "branch-0", "graph", "GPS", "", "x.y", "é"]),
    st.lists(st.integers(-1, 3), max_size=3),
)
RUBBISH = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
NAMES = st.one_of(st.sampled_from(KEYS), st.sampled_from(["_note", "", "0", "x.y", "a[0]"]))
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.dictionaries(NAMES, inner, max_size=4), st.lists(inner, max_size=3)
        ),
        max_leaves=15,
    ),
    max_size=5,
)


@RUBBISH
@given(TREES)
def test_rubbish_is_a_config_error_and_nothing_else(tree: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tree)
    assert caught.value.problems


@RUBBISH
@given(st.sampled_from(sorted(schema())), st.one_of(LEAVES, TREES))
def test_rubbish_in_one_place_is_read_or_refused(path: tuple[str, ...], value: Any) -> None:
    tree = make_config(dataset=True)
    holder: Any = tree
    for key in path[:-1]:
        holder = holder.setdefault(key, {})
    holder[path[-1]] = value
    with contextlib.suppress(ConfigError):
        loaded = load_config(tree)
        assert loaded.config.neural_network.variables_of_interest.output_names


def test_endless_nesting_is_refused() -> None:
    tree: Any = {}
    for _ in range(100_000):
        tree = {"a": tree}
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_config({"NeuralNetwork": tree})
