"""From config and measured facts to the description of a model; and what cannot be trained."""

from __future__ import annotations

from typing import Any

import pytest

from hydria.config import load_config
from hydria.config.architectures import ARCHITECTURES
from hydria.config.checks import EQUIVARIANT, NO_EDGE_FEATURES, RADIAL
from hydria.config.not_yet import not_yet
from hydria.config.provenance import Value, resolved
from hydria.config.spec import ModelSpec, resolve
from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError, ModelError
from tests.support.configs import make_config, put

SECTION = "NeuralNetwork.Architecture"
SUMMARY = DataSummary(
    num_train=70,
    num_validation=15,
    num_test=15,
    input_dim=1,
    edge_dim=0,
    output_dim=(1, 3),
    num_nodes=None,
    pna_deg=(0, 2, 5),
    avg_num_neighbors=1.7,
)


def test_spec_joins_config_and_facts() -> None:
    tree = make_config(NeuralNetwork__Training={"precision": "fp64"})
    spec = resolve(load_config(tree, ["task_weights=[1, 3]"]).config, SUMMARY)
    assert [(head.name, head.kind, head.dim, head.weight) for head in spec.heads] == [
        ("energy", "graph", 1, 0.25),
        ("charge", "node", 3, 0.75),
    ]
    assert (spec.input_dim, spec.edge_dim, spec.pna_deg) == (1, 0, (0, 2, 5))
    assert (spec.avg_num_neighbors, spec.num_nodes, spec.precision) == (1.7, None, "fp64")
    assert not spec.gaussian_nll


def test_weights_are_equal_when_left_out() -> None:
    spec = resolve(load_config(make_config()).config, SUMMARY)
    assert [head.weight for head in spec.heads] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("freeze_conv_layers=true", True),
        ("initial_bias=1.5", True),
        ("task_weights=[2, 1]", True),
        ("hidden_dim=9", False),
        ("activation_function=silu", False),
        ("precision=fp64", False),
    ],
)
def test_facts_of_a_model_are_what_its_weights_depend_on(change: str, same: bool) -> None:
    before, after = (
        resolve(load_config(make_config(), changes).config, SUMMARY) for changes in ([], [change])
    )
    assert before != after
    assert (before.facts == after.facts) is same


@pytest.mark.parametrize(("name", "same"), [("GIN", True), ("PNA", True), ("MACE", False)])
def test_facts_measured_on_data_count_where_no_weight_holds_them(name: str, same: bool) -> None:
    config = load_config(make_config(), [f"mpnn_type={name}"]).config
    other = SUMMARY.model_copy(update={"pna_deg": (0, 1, 1, 9), "avg_num_neighbors": 2.5})
    assert (resolve(config, SUMMARY).facts == resolve(config, other).facts) is same


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_spec_survives_json(architecture: str) -> None:
    config = load_config(make_config(), [f"mpnn_type={architecture}", "max_neighbours=9"]).config
    spec = resolve(config, SUMMARY)
    again = ModelSpec.model_validate_json(spec.model_dump_json(by_alias=True))
    assert again == spec
    assert type(again.architecture) is type(config.neural_network.architecture)


def test_output_dim_must_be_that_of_the_data() -> None:
    config = load_config(make_config(), ["output_dim=[1, 2]"]).config
    with pytest.raises(ConfigError) as caught:
        resolve(config, SUMMARY)
    assert str(caught.value) == (
        "NeuralNetwork.Variables_of_interest.output_dim[1]: expected 3, the columns of 'charge' "
        "in the data, got 2"
    )


@pytest.mark.parametrize("num_nodes", [None, 32])
def test_an_mlp_per_node_needs_graphs_of_one_size(num_nodes: int | None) -> None:
    tree = make_config(NeuralNetwork__Architecture__output_heads__node={"type": "mlp_per_node"})
    config = load_config(tree).config
    summary = SUMMARY.model_copy(update={"num_nodes": num_nodes})
    if num_nodes:
        assert resolve(config, summary).num_nodes == num_nodes
        return
    with pytest.raises(ConfigError, match="graphs have different numbers of nodes"):
        resolve(config, summary)


LATER: list[tuple[str, Any]] = [
    ("NeuralNetwork.ds_config", {"train_batch_size": 4}),
]


@pytest.mark.parametrize(("path", "value"), LATER)
def test_what_cannot_be_trained_is_refused_before_training(path: str, value: Any) -> None:
    tree = make_config(NeuralNetwork__Architecture__global_attn_heads=4)
    put(tree, path, value)
    config = load_config(tree).config
    assert [problem.path for problem in not_yet(config)] == [path]
    with pytest.raises(ConfigError, match="this version"):
        resolve(config, SUMMARY)


def test_tables_agree_with_the_models() -> None:
    from hydria.models.registry import ARCHITECTURES as MODELS

    assert set(MODELS) == set(ARCHITECTURES)
    for option, names in (
        ("equivariance", set(ARCHITECTURES) - EQUIVARIANT),
        ("edge_features", NO_EDGE_FEATURES),
    ):
        assert {name for name in MODELS if option in MODELS.load(name).unavailable} == names


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_radial_functions_need_a_radius_whatever_the_data(name: str) -> None:
    from hydria.models import build_model
    from tests.support.models import make_spec

    smiles = {"Dataset__format": "SMILES", "Dataset__path": {"total": "molecules.csv"}}
    tree = make_config(**smiles, NeuralNetwork__Architecture__max_neighbours=9)
    tree["NeuralNetwork"]["Architecture"]["mpnn_type"] = name
    if name not in RADIAL:
        assert load_config(tree).config.neural_network.architecture.radius is None
        build_model(make_spec(name, radius=None))
        return
    with pytest.raises(ConfigError, match=rf"radius: .*radial functions of {name} end there"):
        load_config(tree)
    with pytest.raises(ModelError, match="radius"):
        build_model(make_spec(name, radius=None))


def test_formats_are_those_with_a_reader() -> None:
    from hydria.config.formats import FORMATS
    from hydria.data.formats import FORMATS as READERS

    assert set(FORMATS) == set(READERS)


def test_every_value_has_an_origin() -> None:
    tree = make_config(dataset=True, NeuralNetwork__Training={"num_epoch": 3, "batch_size": 4})
    loaded = load_config(tree, ["batch_size=5"])
    values = {value.path: value for value in resolved(loaded, SUMMARY)}
    training = "NeuralNetwork.Training"
    found = {
        path: (values[path].text, values[path].origin)
        for path in (
            f"{training}.num_epoch",
            f"{training}.batch_size",
            f"{training}.Optimizer.type",
            f"{SECTION}.radius",
            f"{SECTION}.pna_deg",
            "Dataset.num_train",
        )
    }
    assert found == {
        f"{training}.num_epoch": ("3", "file"),
        f"{training}.batch_size": ("5", "override"),
        f"{training}.Optimizer.type": ('"AdamW"', "default"),
        f"{SECTION}.radius": ("5.0", "file"),
        f"{SECTION}.pna_deg": ("[0, 2, 5]", "measured"),
        "Dataset.num_train": ("70", "measured"),
    }


@pytest.mark.parametrize("branches", [1, 2])
def test_heads_are_shown_as_they_were_written(branches: int) -> None:
    head = {"num_headlayers": 1, "dim_headlayers": [8]}
    listed = [{"type": f"branch-{n}", "architecture": head} for n in range(branches)]
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"]["output_heads"] = {"graph": listed, "node": head}
    values = {value.path: value for value in resolved(load_config(tree))}
    heads = f"{SECTION}.output_heads"
    for index in range(branches):
        assert values[f"{heads}.graph[{index}].architecture.dim_headlayers"].value == [8]
        assert values[f"{heads}.graph[{index}].type"].origin == "file"
    assert values[f"{heads}.node.dim_headlayers"].origin == "file"
    assert values[f"{heads}.node.type"] == Value(f"{heads}.node.type", "mlp", "default")


def turning(architecture: str = "PAINN", **variables: Any) -> dict[str, Any]:
    tree = make_config()
    tree["NeuralNetwork"]["Architecture"]["mpnn_type"] = architecture
    tree["NeuralNetwork"]["Variables_of_interest"] |= variables
    return tree


@pytest.mark.parametrize(
    ("architecture", "options", "symmetry"),
    [
        ("PAINN", {}, "vector"),
        ("EGNN", {"equivariance": True}, "vector"),
        ("EGNN", {}, "scalar"),
        ("PNA", {}, "scalar"),
    ],
)
def test_three_columns_of_a_node_are_a_vector_where_there_are_vectors(
    architecture: str, options: dict[str, Any], symmetry: str
) -> None:
    tree = turning(architecture)
    tree["NeuralNetwork"]["Architecture"] |= options
    heads = resolve(load_config(tree).config, SUMMARY).heads
    assert [head.symmetry for head in heads] == ["scalar", symmetry]


def test_symmetry_can_be_said() -> None:
    summary = SUMMARY.model_copy(update={"output_dim": (9, 3)})
    tree = turning(output_symmetry=["tensor", "scalar"])
    assert [head.symmetry for head in resolve(load_config(tree).config, summary).heads] == [
        "tensor",
        "scalar",
    ]
    with pytest.raises(
        ConfigError, match=r"output_symmetry\[0\]: expected scalar, because 'energy'"
    ):
        resolve(load_config(tree).config, SUMMARY)


@pytest.mark.parametrize(
    ("path", "value"),
    [("Dataset.rotational_invariance", True), (f"{SECTION}.graph_pooling", "max")],
)
def test_vectors_exclude_what_does_not_turn(path: str, value: Any) -> None:
    tree = turning(output_symmetry=["vector", "vector"])
    put(tree, path, value)
    with pytest.raises(ConfigError, match=path):
        resolve(load_config(tree).config, SUMMARY.model_copy(update={"output_dim": (3, 3)}))


def test_conditioning_needs_attributes() -> None:
    tree = make_config(NeuralNetwork__Architecture__use_graph_attr_conditioning=True)
    with pytest.raises(ConfigError, match="graph_attr_features"):
        resolve(load_config(tree).config, SUMMARY)
    summary = SUMMARY.model_copy(update={"graph_attr_dim": 2})
    assert resolve(load_config(tree).config, summary).graph_attr_dim == 2
