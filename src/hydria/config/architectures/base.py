"""What every message-passing architecture is told (user manual, "Basic Architecture Setup")."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hydria.config.architectures.heads import OutputHeads
from hydria.config.base import Count, Frozen, Index, NonNegative, Positive, Real, none_is

Activation = Literal[
    "relu", "silu", "selu", "prelu", "elu", "lrelu_01", "lrelu_025", "lrelu_05", "sigmoid"
]

EdgeFeature = Literal["lengths", "bond_order"]
# Architectures that have vectors in any case, and those that have them with `equivariance`.
WITH_VECTORS = frozenset({"PAINN", "PNAEq", "MACE"})
WITH_POSITIONS = frozenset({"EGNN", "SchNet"})


def _lengths(value: Any) -> Any:
    """Upstream counts the names only, and its own examples write `length` as well."""
    if isinstance(value, list | tuple):
        return tuple("lengths" if name == "length" else name for name in value)
    return () if value is None else value


class Architecture(Frozen):
    """Keys that all architectures share."""

    mpnn_type: str
    """Graph neural network type."""
    hidden_dim: Count = 64
    """Width of the hidden node features."""
    num_conv_layers: Count = 3
    """Number of convolution layers."""
    radius: Positive | None = None
    """Cutoff of the neighbourhood, Å."""
    max_neighbours: Count | None = None
    """Cap on the neighbours of a node; the nearest are kept."""
    periodic_boundary_conditions: bool = False
    """Whether periodic images count as neighbours; needs a lattice in the data."""
    activation_function: Activation = "relu"
    """Activation of convolutions and heads."""
    graph_pooling: Literal["mean", "add", "sum", "max"] = "mean"
    """How node features become graph features; `sum` is another word for `add`."""
    edge_features: Annotated[tuple[EdgeFeature, ...], BeforeValidator(_lengths)] = ()
    """What convolutions see of edges: `lengths` in units of `radius`, `bond_order` of SMILES."""
    output_heads: OutputHeads = Field(default_factory=OutputHeads)
    """Layers behind the convolutions, for graph and for node outputs."""
    task_weights: tuple[NonNegative, ...] | None = None
    """Weight of each output in the loss, normalised to sum one; equal when left out."""
    equivariance: Annotated[bool, none_is(False)] = False
    """Whether vector features are updated too, for architectures that have them."""
    freeze_conv_layers: Annotated[bool, none_is(False)] = False
    """Train the heads only."""
    initial_bias: Real | None = None
    """Start value of the last bias of every head."""
    sync_batch_norm: bool = Field(True, alias="SyncBatchNorm")
    """Statistics of batch norm over the global batch (all ranks)."""
    pe_dim: Annotated[Index, none_is(0)] = 0
    """Laplacian eigenvectors that encode the place of a node in its graph, for GPS."""
    global_attn_engine: Literal["GPS", "EquivariantTransformer"] | None = None
    """Attention between all nodes of a graph, beside the convolutions."""
    global_attn_type: Literal["multihead", "performer", "performer_relu"] | None = None
    """Exact attention, its linear approximation, or what HydraGNN calls performer."""
    global_attn_heads: Annotated[Index, none_is(0)] = 0
    """Attention heads; hidden_dim is a multiple of them."""
    global_attn_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Part of the features that is dropped in training around global attention."""
    equivariant_attn_lmax: Annotated[Index, none_is(1)] = 1
    """Highest degree of the spherical harmonics between two nodes, for EquivariantTransformer."""
    equivariant_attn_num_radial: Annotated[Count, none_is(16)] = 16
    """Gaussians that expand the distance of two nodes."""
    equivariant_attn_feedforward_multiplier: Annotated[Count, none_is(2)] = 2
    """Width of the layers behind attention, in units of hidden_dim."""
    equivariant_attn_chunk_size: Count | None = 512
    """Nodes that look at all others at a time, which bounds the memory; none: all nodes."""
    equivariant_attn_coupling_mode: Literal["parallel", "sequential"] = "parallel"
    """Attention beside each convolution, or behind it."""
    equivariant_attn_allow_scalar_only: bool = False
    """Let architectures without vectors attend with their scalars alone."""
    equivariant_attn_require_tensor_coupling: bool = True
    """Refuse architectures without vectors."""
    use_graph_attr_conditioning: bool = False
    """Let attributes of the graph act on its nodes."""
    graph_attr_conditioning_mode: Literal["concat_node", "film", "fuse_pool"] = "concat_node"
    """After each layer (concat_node, film), or on what is pooled (fuse_pool)."""
    enable_interatomic_potential: Annotated[bool, none_is(False)] = False
    """Energies with forces as their negative gradient; compute_grad_energy says the same."""
    energy_weight: NonNegative = 0.0
    """Share of the energy in the loss of an interatomic potential."""
    energy_peratom_weight: NonNegative = 0.0
    """Share of the energy per atom in the loss of an interatomic potential."""
    force_weight: NonNegative = 0.0
    """Share of the forces in the loss of an interatomic potential."""
    stress_weight: NonNegative = 0.0
    """Share of the stress in the loss of an interatomic potential."""

    @property
    def has_vectors(self) -> bool:
        """Whether vectors that turn with the structure come with the features of the nodes."""
        return self.mpnn_type in WITH_VECTORS or (
            self.equivariance and self.mpnn_type in WITH_POSITIONS
        )
