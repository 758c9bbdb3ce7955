"""Weights of HydraGNN under this project's names.

A rule is a regular expression for a whole name and what to write instead; None drops the entry.
What all architectures share is here; each one's own rules are in its `upstream` module, which holds

- ``CONV_RULES``: names within one convolution; a replacement that starts with ``/`` leaves it;
- optionally ``PERIODIC``: how outputs for periodic structures differ from upstream's, and why;
- optionally ``NUMBERED_MODULES``: whether these names keep upstream's ``module_<number>.``;
- ``MODEL_RULES``: other names of the architecture;
- optionally ``prepare(state, spec) -> state``: changes of names and values, before renaming;
- optionally ``adapt(state) -> state``: changes of values, after renaming;
- optionally ``adapt_spec(spec) -> spec``: what upstream builds where it ignores the config.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType

import torch
from torch import Tensor

from hydria.config.architectures.heads import NodeBranch
from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.registry import ARCHITECTURES
from hydria.models.upstream_options import (
    in_every_branch,
    option_rules,
    performer_shapes,
    transformer_shapes,
)

Rules = Iterable[tuple[str, str | None]]
State = dict[str, Tensor]

# its potentials are the network alone
UPSTREAM_POTENTIAL = {"reference_energies": {}, "scale": 1.0, "short_range": None, "smooth": False}

CUT_OFF = "HydraGNN applies the activation function to what conv heads predict, these heads do not"

BRANCH = r"(branch-\d+)"
# within attention, a convolution is called `conv`
CONV = r"(?:conv\.)?(?P<inner>module_\d+\..+)"

SHARED_RULES: Rules = (
    (r"feature_layers\.(\d+)\.module\.(\w+)", r"norms.\1.\2"),
    (rf"graph_shared\.{BRANCH}\.(.+)", r"outputs.graph.\1.shared.\2"),
    (r"activation_function\.(.+)", r"activation.\1"),
    # the same tensors again, under the heads they belong to
    (rf"(convs|batch_norms)_node_(hidden|output)\.{BRANCH}\..+", None),
)


def upstream_spec(spec: ModelSpec) -> ModelSpec:
    """The spec of the model that upstream builds from the config of `spec`."""
    adapt = getattr(_own_rules(spec), "adapt_spec", lambda same: same)
    result: ModelSpec = adapt(spec)
    if result.architecture.global_attn_type == "performer":
        options = result.architecture.model_copy(update={"global_attn_type": "performer_relu"})
        result = result.model_copy(update={"architecture": options})
    # upstream predicts the components of vectors as plain columns
    heads = tuple(head.model_copy(update={"symmetry": "scalar"}) for head in result.heads)
    potential = result.potential and result.potential.model_copy(update=UPSTREAM_POTENTIAL)
    return result.model_copy(update={"heads": heads, "potential": potential})


def differences(spec: ModelSpec) -> tuple[str, ...]:
    """Where outputs differ from upstream's with the same weights, on purpose."""
    options = spec.architecture
    periodic: str = getattr(_own_rules(spec), "PERIODIC", "")
    predicts = any(head.kind == "node" for head in spec.heads)
    convolves = any(branch.architecture.type == "conv" for branch in options.output_heads.node)
    found = {
        periodic: bool(periodic) and options.periodic_boundary_conditions,
        CUT_OFF: predicts and convolves,
    }
    return tuple(text for text, holds in found.items() if holds)


def convert_state(state: Mapping[str, Tensor], spec: ModelSpec) -> State:
    """Rename the state dict of an upstream model for the model of `spec`.

    Args:
        state: tensors under upstream's names (``module.`` and ``model.`` of its wrappers, around
            all models and around potentials, are dropped).
        spec: what the model is built from, after `upstream_spec`.

    Raises:
        ModelError: if a name is not known.
    """
    own = _own_rules(spec)
    prepare = getattr(own, "prepare", lambda same, _: same)
    plain = {_unwrapped(name): value for name, value in state.items()}
    renamed: State = {}
    for name, value in prepare(plain, spec).items():
        new = _renamed(name, spec, own)
        if new is not None:
            renamed[new] = value
    for branch in spec.architecture.output_heads.node:
        if branch.architecture.type == "conv" and "activation.weight" in renamed:
            shared = renamed["activation.weight"]
            renamed[f"outputs.node.{branch.type}.activation.weight"] = shared
    renamed = in_every_branch(renamed, spec.architecture)
    renamed = performer_shapes(transformer_shapes(renamed, spec.architecture))
    adapt = getattr(own, "adapt", lambda same: same)
    result: State = adapt(_stacked(renamed))
    if spec.potential is None:
        return result
    return {f"network.{name}": value for name, value in result.items()}


def _unwrapped(name: str) -> str:
    return name.removeprefix("module.").removeprefix("model.")


def _own_rules(spec: ModelSpec) -> ModuleType:
    package = ARCHITECTURES[spec.architecture.mpnn_type].partition(":")[0]
    return importlib.import_module(f"{package}.upstream")


def _renamed(name: str, spec: ModelSpec, own: ModuleType) -> str | None:
    """Our name of one entry, or None if it is not needed."""
    place = _conv_place(name, spec)
    if place:
        prefix, inner = place
        if not getattr(own, "NUMBERED_MODULES", False):
            inner = inner.partition(".")[2]
        new = _applied(own.CONV_RULES, inner)
        if new is None:
            return None
        return new[1:] if new.startswith("/") else f"{prefix}.{new}"
    options = option_rules(spec.architecture)
    return _applied((*own.MODEL_RULES, *SHARED_RULES, *options, *_head_rules(spec)), name)


def _applied(rules: Rules, name: str) -> str | None:
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return None if replacement is None else match.expand(replacement)
    raise ModelError(
        f"upstream weights: expected names of the architecture in the config, got {name!r}. "
        f"Hint: is mpnn_type the one the weights were trained with?"
    )


def _conv_place(name: str, spec: ModelSpec) -> tuple[str, str] | None:
    """Where a convolution's entry belongs here, and its name within it; None for other entries."""
    encoder = re.fullmatch(rf"graph_convs\.(\d+)\.{CONV}", name)
    if encoder:
        return f"convs.{encoder[1]}", encoder["inner"]
    head = re.fullmatch(rf"heads_NN\.(\d+)\.{BRANCH}\.(\d+)\.{CONV}", name)
    if head:
        branch = next(b for b in spec.architecture.output_heads.node if b.type == head[2])
        return _conv_head(branch, head[1], int(head[3]), "conv"), head["inner"]
    return None


def _conv_head(branch: NodeBranch, head: str, position: int, part: str) -> str:
    """Our name of the layer at `position` of an upstream `conv` head: conv, norm, conv, norm, …"""
    layer = position // 2
    if layer < branch.architecture.num_headlayers:
        return f"outputs.node.{branch.type}.{part}s.{layer}"
    return f"outputs.node.{branch.type}.heads.{head}.{part}"


def _head_rules(spec: ModelSpec) -> Iterator[tuple[str, str | None]]:
    """Rules for the dense heads, and for the norms of `conv` heads."""
    for index, head in enumerate(spec.heads):
        if head.kind == "graph":
            found = rf"heads_NN\.{index}\.{BRANCH}\.(\d+\.\w+)"
            yield found, rf"outputs.graph.\1.heads.{index}.\2"
            continue
        for branch in spec.architecture.output_heads.node:
            yield from _NODE_RULES[branch.architecture.type](branch, str(index))


def _mlp_rules(branch: NodeBranch, head: str) -> Iterator[tuple[str, str | None]]:
    found, ours = _node_places(branch, head)
    yield rf"{found}\.mlp\.0\.(\d+\.\w+)", rf"{ours}.\1"
    yield rf"{found}\.activation_function\.\w+", None


def _position_rules(branch: NodeBranch, head: str) -> Iterator[tuple[str, str | None]]:
    found, ours = _node_places(branch, head)
    yield rf"{found}\.mlp\.(\d+)\.(\d+\.\w+)", rf"{ours}.\2@\1"
    yield rf"{found}\.activation_function\.\w+", None


def _conv_rules(branch: NodeBranch, head: str) -> Iterator[tuple[str, str | None]]:
    found, _ = _node_places(branch, head)
    for layer in range(branch.architecture.num_headlayers + 1):
        place = _conv_head(branch, head, 2 * layer, "norm")
        yield rf"{found}\.{2 * layer + 1}\.module\.(\w+)", rf"{place}.\1"


_NODE_RULES = {"mlp": _mlp_rules, "mlp_per_node": _position_rules, "conv": _conv_rules}


def _node_places(branch: NodeBranch, head: str) -> tuple[str, str]:
    return rf"heads_NN\.{head}\.{branch.type}", f"outputs.node.{branch.type}.heads.{head}"


def _stacked(state: State) -> State:
    """Join entries ``name@0``, ``name@1``, … of the node positions into one tensor."""
    joined: dict[str, dict[int, Tensor]] = {}
    result: State = {}
    for name, value in state.items():
        base, at, position = name.partition("@")
        if at:
            joined.setdefault(base, {})[int(position)] = value
        else:
            result[base] = value
    for name, parts in joined.items():
        result[name] = _by_position(name, [parts[position] for position in sorted(parts)])
    return result


def _by_position(name: str, values: list[Tensor]) -> Tensor:
    """(out, in) weights as (positions, in, out), (out,) biases as (positions, 1, out)."""
    if values[0].dim() == 2:
        return torch.stack(values).mT.contiguous()
    # the parameter of an activation is one tensor that all positions share
    return torch.stack(values).unsqueeze(1) if name.endswith("bias") else values[0]
