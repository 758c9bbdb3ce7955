"""With HydraGNN's weights our models give HydraGNN's outputs."""

from __future__ import annotations

import pytest
import torch

from hydria.core.errors import ModelError
from hydria.models.registry import ARCHITECTURES
from hydria.models.upstream import convert_state, upstream_spec
from tests.support.models import make_model, make_spec
from tests.support.upstream import Reference, potential_names, reference_names

# HydraGNN's DimeNet has constants of its basis in float32; theirs and ours differ in last digits
TOLERANCE = {"DimeNet": 5e-10}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_outputs_equal_upstreams(name: str) -> None:
    reference = Reference(name)
    model = reference.model()
    for case in reference.cases:
        outputs = model(reference.batch(case))
        expected = [reference.arrays[f"out/{case}/{kind}"] for kind in ("graph", "node")]
        for output, truth in zip(outputs, expected, strict=True):
            assert float((output - truth).detach().abs().max()) < TOLERANCE.get(name, 1e-10)


@pytest.mark.parametrize("name", potential_names())
def test_energies_and_forces_equal_upstreams(name: str) -> None:
    reference = Reference(f"mlip_{name}")
    model = reference.model()
    for case in reference.cases:
        found = model(reference.batch(case))
        for kind in ("energy", "forces"):
            truth = reference.arrays[f"out/{case}/{kind}"]
            assert float((getattr(found, kind) - truth).abs().max()) < 1e-9


def test_every_reference_has_a_model() -> None:
    assert set(reference_names()) == set(ARCHITECTURES)


def test_cgcnn_is_as_wide_as_its_input_without_attention() -> None:
    for attention, width in ({}, 2), ({"global_attn_engine": "GPS", "global_attn_heads": 2}, 8):
        options = upstream_spec(make_spec("CGCNN", num_gaussians=5, **attention)).architecture
        assert options.hidden_dim == width
        assert options.model_dump()["num_gaussians"] is None


def test_weights_of_another_architecture_are_refused() -> None:
    with pytest.raises(ModelError, match="mpnn_type"):
        convert_state(Reference("SchNet").under("state/"), Reference("PNA").spec())


def test_wrapper_prefix_is_dropped() -> None:
    reference = Reference("PNA")
    state = reference.under("state/")
    wrapped = {f"module.{name}": value for name, value in state.items()}
    spec = reference.spec()
    assert convert_state(wrapped, spec).keys() == convert_state(state, spec).keys()


def test_weights_per_node_position_are_stacked() -> None:
    spec = make_spec("PNA", node_head="mlp_per_node", num_nodes=3)
    expected = make_model(spec).state_dict()
    head = "outputs.node.branch-0.heads.1"
    state = {}
    for position in range(3):
        for layer in (0, 2, 4):
            place = f"heads_NN.1.branch-0.mlp.{position}.{layer}"
            state[f"{place}.weight"] = expected[f"{head}.{layer}.weight"][position].T
            state[f"{place}.bias"] = expected[f"{head}.{layer}.bias"][position, 0]
    converted = convert_state(state, spec)
    assert set(converted) == {name for name in expected if name.startswith(head)}
    assert all(torch.equal(value, expected[name]) for name, value in converted.items())


def test_weights_of_convolution_heads_find_their_places() -> None:
    spec = make_spec("SchNet", node_head="conv", activation_function="prelu")
    expected = make_model(spec).state_dict()
    ours = "outputs.node.branch-0"
    # position in upstream's list of conv, norm, conv, norm, … → where it is here
    places = {0: "convs.0", 1: "norms.0", 2: "convs.1", 3: "norms.1", 4: "heads.1.conv"}
    places[5] = "heads.1.norm"
    inner = {"expand": "module_2.nn.0", "generate": "module_2.nn.2"}
    inner |= {"lin1": "module_2.lin1", "lin2": "module_2.lin2"}
    state = {"activation_function.weight": expected["activation.weight"]}
    for position, place in places.items():
        for name in [name for name in expected if name.startswith(f"{ours}.{place}.")]:
            *_, layer, kind = name.split(".")
            there = inner.get(layer, "module")
            state[f"heads_NN.1.branch-0.{position}.{there}.{kind}"] = expected[name]
            state[f"convs_node_hidden.branch-0.{position}.{there}.{kind}"] = expected[name]
    converted = convert_state(state, spec)
    assert {name for name in converted if name.startswith(ours)} == {
        name for name in expected if name.startswith(ours)
    }
