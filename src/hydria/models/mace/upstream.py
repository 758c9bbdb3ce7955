"""HydraGNN's names of MACE's weights, and their shapes: e3nn keeps them in one dimension."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.mace.couplings import features_coupled
from hydria.models.mace.product import NUM_ELEMENTS
from hydria.nn.irreps import couplings

State = dict[str, Tensor]

NUMBERED_MODULES = True
CONV_RULES = (
    (r"module_1\.linear_(up|down)\.weight", r"messages.\1.weight"),
    (r"module_1\.conv_tp_weights\.layer(\d)\.weight", r"messages.layer.\1"),
    (r"module_1\.linear\.weight", r"messages.mix"),
    (r"module_1\.skip_linear\.weight", r"skip.weight"),
    (r"module_2\.symmetric_contractions\.contractions\.(\d)\.(.+)", r"product.\1.\2"),
    (r"module_2\.linear\.weight", r"mix.weight"),
    (r"module_3\.weight", r"last.weight"),
)
MODEL_RULES = (
    (r"node_embedding\.linear\.weight", r"embedding"),
    (
        r"multihead_decoders\.(\d+)\.heads_NN\.(\d+)\.(branch-\d+)\.0\.(\w+)",
        r"outputs.linear.\1.graph.\3.heads.\2.\4",
    ),
    (
        r"multihead_decoders\.(\d+)\.heads_NN\.(\d+)\.(branch-\d+)\.mlp\.0\.0\.(\w+)",
        r"outputs.linear.\1.node.\3.heads.\2.\4",
    ),
    (r"graph_shared\.(branch-\d+)\.(.+)", r"outputs.graph.\1.shared.\2"),
)
# constants that follow from the config
CONSTANT = re.compile(
    r".*(output_mask|U_matrix_\d+|_w3j_\w+|atomic_numbers|r_max|num_interactions)"
    r"|radial_embedding\..+"
)


def adapt_spec(spec: ModelSpec) -> ModelSpec:
    """Upstream uses the first entry of a list of correlations for every layer."""
    given = spec.architecture.model_dump()["correlation"]
    first = given if isinstance(given, int) else given[0]
    architecture = spec.architecture.model_copy(update={"correlation": first})
    return spec.model_copy(update={"architecture": architecture})


def prepare(state: Mapping[str, Tensor], spec: ModelSpec) -> State:
    """Drop constants, give the readouts' weights their shapes, name the last readout as others."""
    last = f"multihead_decoders.{spec.architecture.num_conv_layers}."
    prepared: State = {}
    for name, value in _with_our_signs(state).items():
        if CONSTANT.fullmatch(name) or not value.numel():
            continue
        plain = name.removeprefix(last)
        readout = "heads_NN" in name and value.dim() == 1 and name.endswith("weight")
        if not readout:
            prepared[plain] = value
            continue
        width = NUM_ELEMENTS if ".0.heads_NN" in name else spec.architecture.hidden_dim
        prepared[plain] = value.view(width, -1).T * width**-0.5
        if plain != name:  # only the last readout has biases here
            prepared[plain.removesuffix("weight") + "bias"] = value.new_zeros(len(value) // width)
    return prepared


def _with_our_signs(state: Mapping[str, Tensor]) -> State:
    """Turn weights around whose coupling has another sign here.

    A sign of a coupling is a convention, which e3nn changed after version 0.4 (its pull request
    341); the couplings that were used are kept beside the weights.

    Raises:
        ModelError: if they differ in more than the sign.
    """
    signed = dict(state)
    for name, theirs in state.items():
        match = re.fullmatch(r"(.+\.contractions\.(\d))\.U_matrix_(\d+)", name)
        if match is None:
            continue
        degree, order = int(match[2]), int(match[3])
        highest = max(int(n.rpartition("_")[2]) for n in state if n.startswith(f"{match[1]}.U_"))
        lmax = math.isqrt(theirs.shape[-2]) - 1
        overlap = (features_coupled(lmax, order, degree) * theirs.double().flatten(0, -2)).sum(0)
        norms = theirs.double().flatten(0, -2).square().sum(0)
        if not torch.allclose(overlap.abs(), norms, rtol=1e-4):
            raise ModelError(
                f"{name}: expected the couplings of e3nn up to their signs, got others. "
                "Hint: they may come from cuEquivariance, whose couplings are ordered differently"
            )
        last = "weights_max" if order == highest else f"weights.{highest - 1 - order}"
        weight = f"{match[1]}.{last}"
        signed[weight] = signed[weight] * overlap.sign().to(signed[weight].dtype).view(1, -1, 1)
    return signed


def adapt(state: State) -> State:
    """Give the weights of the layers their shapes and their order."""
    width = state["embedding"].numel() // NUM_ELEMENTS
    adapted = {name: value for name, value in state.items() if not name.startswith("convs.")}
    adapted["embedding"] = state["embedding"].view(NUM_ELEMENTS, width)
    numbers = {name.split(".")[1] for name in state if name.startswith("convs.")}
    for number in numbers:
        prefix = f"convs.{number}."
        layer = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
        adapted |= {f"{prefix}{name}": value for name, value in _layer(layer, width).items()}
    return adapted


def _layer(layer: State, width: int) -> State:
    names = ("messages.up", "messages.down", "skip", "mix", "last")
    found = {f"{name}.weight": layer[f"{name}.weight"].view(-1, width, width) for name in names}
    hidden = [layer[f"messages.layer.{number}"] for number in range(4)]
    found["messages.first"] = hidden[0]
    found["messages.hidden"] = torch.stack(hidden[1:3])
    in_lmax = len(found["messages.up.weight"]) - 1
    edge_lmax = _highest(layer, in_lmax, width)
    paths = couplings(in_lmax, edge_lmax, edge_lmax)
    found["messages.radial"] = _columns(hidden[3], paths, width)
    counts = [sum(path[2] == degree for path in paths) for degree in range(edge_lmax + 1)]
    rows = (
        layer["messages.mix"]
        .view(-1, width)
        .tensor_split(_bounds([count * width for count in counts]))
    )
    return found | {f"messages.mix.{n}": part for n, part in enumerate(rows)} | _products(layer)


def _highest(layer: State, in_lmax: int, width: int) -> int:
    """The degree up to which messages go, from the size of the layer that mixes them."""
    num_paths = layer["messages.mix"].numel() // width**2
    return next(lmax for lmax in range(20) if len(couplings(in_lmax, lmax, lmax)) == num_paths)


def _bounds(sizes: list[int]) -> list[int]:
    """Where parts of some sizes end, but for the last one."""
    return list(accumulate(sizes))[:-1]


def _columns(weight: Tensor, paths: list[tuple[int, int, int]], width: int) -> Tensor:
    """Order the outputs of the radial network by (l₁, l₂, l₃), upstream has l₃ first.

    Those of a path along scalars of the edge are (channels, scalars) there, the reverse here.
    """
    scalar_paths = sum(path[1] == 0 for path in paths)
    repeat = (weight.shape[1] // width - len(paths)) // scalar_paths + 1
    sizes = {path: repeat if path[1] == 0 else 1 for path in paths}
    ordered = sorted(paths, key=lambda path: path[2])
    parts = weight.tensor_split(_bounds([sizes[path] * width for path in ordered]), dim=1)
    by_path = {
        path: part.view(len(weight), width, sizes[path]).transpose(1, 2).flatten(1)
        for path, part in zip(ordered, parts, strict=True)
    }
    return torch.cat([by_path[path] for path in paths], dim=1)


def _products(layer: State) -> State:
    """Weights of the products: the highest order first, then down."""
    degrees = {name.split(".")[1] for name in layer if name.startswith("product.")}
    found: State = {}
    for degree in degrees:
        lower = sorted(name for name in layer if name.startswith(f"product.{degree}.weights."))
        names = [f"product.{degree}.weights_max", *lower]
        for order, name in zip(range(len(names), 0, -1), names, strict=True):
            found[f"product.weights.{degree}_{order}"] = layer[name]
    return found
