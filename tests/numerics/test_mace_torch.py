"""MACE against mace-torch: two layers over a periodic crystal, with the same weights.

The references were made by `data/mace/make.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hydria.core.errors import ModelError
from hydria.graph.batch import GraphBatch
from hydria.models import build_model
from hydria.models.mace.couplings import features_coupled
from hydria.models.mace.product import NUM_ELEMENTS
from hydria.models.upstream import convert_state
from tests.support.models import make_spec

FOLDER = Path(__file__).resolve().parent / "data" / "mace"
WIDTH = 4
OPTIONS: dict[str, dict[str, Any]] = {
    "bessel": {"max_ell": 3, "correlation": 3},
    "chebyshev": {
        "max_ell": 2,
        "correlation": 2,
        "radial_type": "chebyshev",
        "distance_transform": "Agnesi",
    },
}


def arrays(name: str, prefix: str) -> dict[str, Tensor]:
    with np.load(FOLDER / f"{name}.npz") as file:
        chosen = {key: file[key] for key in file.files if key.startswith(prefix)}
    return {key.removeprefix(prefix): torch.from_numpy(value) for key, value in chosen.items()}


def upstream_names(state: dict[str, Tensor], elements: Tensor) -> dict[str, Tensor]:
    """mace-torch's weights as HydraGNN, which took its modules from there, calls them."""
    places = {"interactions": "module_1", "products": "module_2"}
    one_hot = state["node_embedding.linear.weight"].view(len(elements), WIDTH)
    # e3nn divides by the root of the number of elements
    embedding = torch.zeros(NUM_ELEMENTS, WIDTH, dtype=torch.float64)
    embedding[elements - 1] = one_hot * (NUM_ELEMENTS / len(elements)) ** 0.5
    found = {"node_embedding.linear.weight": embedding.flatten()}
    for name, value in state.items():
        kind, _, rest = name.partition(".")
        if kind not in places:
            continue
        layer, _, rest = rest.partition(".")
        if "contractions.contractions" in name:
            rows = torch.zeros(NUM_ELEMENTS, *value.shape[1:], dtype=torch.float64)
            rows[elements - 1] = value
            value = rows
        found[f"graph_convs.{layer}.{places[kind]}.{rest}"] = value
    # HydraGNN has one more linear layer: here it changes nothing
    for layer, degrees in ((0, 2), (1, 1)):
        identity = (torch.eye(WIDTH, dtype=torch.float64) * WIDTH**0.5).flatten()
        found[f"graph_convs.{layer}.module_3.weight"] = identity.repeat(degrees)
    return found


def model_of(name: str) -> nn.Module:
    spec = make_spec("MACE", hidden_dim=WIDTH, num_radial=5, **OPTIONS[name])
    model = build_model(spec)
    state = upstream_names(arrays(name, "state/"), torch.tensor([29, 79]))
    found = model.load_state_dict(convert_state(state, spec), strict=False)
    assert not found.unexpected_keys
    assert all(key.startswith("outputs.") for key in found.missing_keys)
    return model


@pytest.mark.parametrize("name", OPTIONS)
def test_features_equal_mace_torchs_after_each_layer(name: str) -> None:
    fields = arrays(name, "in/")
    num_nodes = len(fields["z"])
    fields["edge_index"] = fields["edge_index"].long()
    fields["x"] = fields["z"].double().view(-1, 1)
    fields["batch"] = torch.zeros(num_nodes, dtype=torch.long)
    fields["ptr"] = torch.tensor([0, num_nodes])
    states = model_of(name).encode_each(GraphBatch(fields))[1:]
    features = arrays(name, "out/")["features"]
    first, vectors, last = features.split([WIDTH, 3 * WIDTH, WIDTH], dim=1)
    pairs = (
        (states[0].nodes.x, first),
        (states[0].nodes.equivariant.transpose(1, 2).flatten(1), vectors),
        (states[1].nodes.x, last),
    )
    for found, expected in pairs:
        assert float(expected.abs().max()) > 1e-2
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_couplings_of_other_signs_turn_their_weights() -> None:
    spec = make_spec("MACE", hidden_dim=WIDTH, num_radial=5, **OPTIONS["bessel"])
    state = upstream_names(arrays("bessel", "state/"), torch.tensor([29, 79]))
    expected = convert_state(state, spec)
    other = dict(state)
    generator = torch.Generator().manual_seed(0)
    for layer, degree in ((0, 0), (0, 1), (1, 0)):
        inner = f"graph_convs.{layer}.module_2.symmetric_contractions.contractions.{degree}"
        for order, name in ((1, "weights.1"), (2, "weights.0"), (3, "weights_max")):
            couplings = features_coupled(3, order, degree)
            signs = torch.randint(2, couplings.shape[1:], generator=generator) * 2.0 - 1.0
            form = [2 * degree + 1] * (degree > 0) + [16] * order
            other[f"{inner}.U_matrix_{order}"] = (couplings * signs).view(*form, -1)
            other[f"{inner}.{name}"] = state[f"{inner}.{name}"] * signs.view(1, -1, 1)
    converted = convert_state(other, spec)
    assert all(torch.equal(converted[name], value) for name, value in expected.items())
    other[f"{inner}.U_matrix_3"] = other[f"{inner}.U_matrix_3"].roll(1, -1)
    with pytest.raises(ModelError, match="expected the couplings of e3nn"):
        convert_state(other, spec)
