"""HydraGNN's names of GAT's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError

CONV_RULES = (
    (r"att", r"attention"),
    (r"bias", r"bias"),
    (r"lin_l\.(\w+)", r"source.\1"),
    (r"lin_r\.(\w+)", r"target.\1"),
    (r"lin_edge\.(\w+)", r"edge.\1"),
)
# made by `prepare`
MODEL_RULES = ((r"(conditionings\..+)", r"\1"),)


def prepare(state: Mapping[str, Tensor], spec: ModelSpec) -> dict[str, Tensor]:
    """Give the layers whose heads stand side by side a conditioning of their own width.

    Upstream's FiLM has one network for all layers; in the wide ones each of its channels acts on
    as many neighbouring channels as there are heads.

    Raises:
        ModelError: for `concat_node`, whose layer upstream makes anew, with random weights,
            whenever the width changes.
    """
    options = spec.architecture
    heads = options.model_dump()["heads"]
    prepared = dict(state)
    if options.global_attn_engine or options.num_conv_layers == 1 or heads == 1:
        return prepared
    if "graph_concat_projector.weight" in state:
        raise ModelError(
            "graph_concat_projector: expected trained weights, got those that HydraGNN draws at "
            "random in each pass through layers of different widths. Hint: GAT with concat_node "
            "was not trained there; film can be converted"
        )
    if "graph_conditioner.0.weight" in state:
        prepared |= _widened(state, options.hidden_dim * heads, heads)
    return prepared


def _widened(state: Mapping[str, Tensor], width: int, heads: int) -> dict[str, Tensor]:
    """The network of FiLM with each output `heads` times, its hidden layer filled up by zeros."""
    first, second = (state[f"graph_conditioner.{layer}.weight"] for layer in (0, 2))
    biases = [state[f"graph_conditioner.{layer}.bias"] for layer in (0, 2)]
    missing = max(width, first.shape[1]) - len(first)
    pad = torch.nn.functional.pad
    network = {
        "0.weight": pad(first, (0, 0, 0, missing)),
        "0.bias": pad(biases[0], (0, missing)),
        "2.weight": pad(second, (0, missing)).repeat_interleave(heads, dim=0),
        "2.bias": biases[1].repeat_interleave(heads),
    }
    return {f"conditionings.{width}.network.{name}": value for name, value in network.items()}
