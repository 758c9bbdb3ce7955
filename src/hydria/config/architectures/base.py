"""What every message-passing architecture is told (user manual, "Basic Architecture Setup")."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from hydria.config.architectures.heads import OutputHeads
from hydria.config.base import Frozen

Activation = Literal[
    "relu", "silu", "selu", "prelu", "elu", "lrelu_01", "lrelu_025", "lrelu_05", "sigmoid"
]


def _none_is(default: object) -> BeforeValidator:
    """Upstream writes null where it means the default."""
    return BeforeValidator(lambda value: default if value is None else value)


class Architecture(Frozen):
    """Keys that all architectures share."""

    mpnn_type: str
    """Graph neural network type."""
    hidden_dim: PositiveInt = 64
    """Width of the hidden node features."""
    num_conv_layers: PositiveInt = 3
    """Number of convolution layers."""
    radius: PositiveFloat | None = None
    """Cutoff of the neighbourhood, Å."""
    max_neighbours: PositiveInt | None = None
    """Cap on the neighbours of a node; the nearest are kept."""
    periodic_boundary_conditions: bool = False
    """Whether periodic images count as neighbours; needs a lattice in the data."""
    activation_function: Activation = "relu"
    graph_pooling: Literal["mean", "add", "sum", "max"] = "mean"
    """How node features become graph features; `sum` is another word for `add`."""
    edge_features: Annotated[tuple[Literal["lengths"], ...], _none_is(())] = ()
    """Edge features that the convolutions see; `lengths` are the distances, Å."""
    output_heads: OutputHeads = Field(default_factory=OutputHeads)
    task_weights: tuple[NonNegativeFloat, ...] | None = None
    """Weight of each output in the loss, normalised to sum one; equal when left out."""
    equivariance: Annotated[bool, _none_is(False)] = False
    """Whether vector features are updated too, for architectures that have them."""
    freeze_conv_layers: Annotated[bool, _none_is(False)] = False
    """Train the heads only."""
    initial_bias: float | None = None
    """Start value of the last bias of every head."""
    sync_batch_norm: bool = Field(True, alias="SyncBatchNorm")
    """Statistics of batch norm over the global batch (all ranks)."""
    pe_dim: Annotated[NonNegativeInt, _none_is(0)] = 0
    """Number of Laplacian eigenvectors as positional encoding."""
    global_attn_engine: Literal["GPS", "EquivariantTransformer"] | None = None
    global_attn_type: Literal["multihead", "performer"] | None = None
    global_attn_heads: Annotated[NonNegativeInt, _none_is(0)] = 0
    use_graph_attr_conditioning: bool = False
    graph_attr_conditioning_mode: Literal["concat_node", "film", "fuse_pool"] = "concat_node"
    enable_interatomic_potential: Annotated[bool, _none_is(False)] = False
    """Energies with forces as their negative gradient."""
    energy_weight: NonNegativeFloat = 0.0
    energy_peratom_weight: NonNegativeFloat = 0.0
    force_weight: NonNegativeFloat = 0.0
