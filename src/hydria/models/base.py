"""The shape that all architectures share: convolutions, pooling, heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.attention import Encodings, GPSLayer
from hydria.models.outputs import Outputs
from hydria.models.state import Encoded, Geometry, NodeState
from hydria.models.transformer import EquivariantTransformer
from hydria.nn.activations import activation
from hydria.nn.attention import Padding
from hydria.nn.conditioning import NODE_CONDITIONINGS
from hydria.nn.cutoffs import polynomial_cutoff
from hydria.nn.edges import Edges
from hydria.nn.norm import GlobalBatchNorm
from hydria.nn.segments import Segments
from hydria.nn.uncertainty import UncertaintyWeighting

# exponent of the polynomial that messages of smooth potentials fade with
FADING = 5


class Surroundings(NamedTuple):
    """What the layers are given beside the nodes, the same for all layers of a batch."""

    edges: Edges
    geometry: Geometry
    graphs: Segments
    padding: Padding
    pos: Tensor | None
    graph_attr: Tensor | None
    """(G, A) attributes that act on the nodes, or None."""


class MessagePassingStack(nn.Module, ABC):
    """N convolutions, each with a norm and an activation, then the heads.

    An architecture says how one convolution is made and what it wants to know of the edges; it
    may also change the widths, the norms and the first features. A convolution is a module
    called as ``conv(nodes, edges, geometry)`` that returns the new `NodeState`.
    """

    unavailable: ClassVar[frozenset[str]] = frozenset({"equivariance"})
    """Options of a config that the architecture cannot follow: refused, never ignored."""
    fades: ClassVar[bool] = False
    """Whether messages go to zero at the cutoff by themselves."""

    def __init__(self, spec: ModelSpec) -> None:
        """Make convolutions and heads with fresh weights.

        With `recompute`, which may be set at any time, the activations of the convolutions are not
        kept for the backward pass but computed again.

        Args:
            spec: the whole description; `spec.architecture` holds this type's own options.
        """
        super().__init__()
        self.spec = spec
        architecture = spec.architecture
        self.activation = activation(architecture.activation_function)
        self.recompute = False
        widths = self.widths()
        self.encodings = self._make_encodings()
        self.convs = nn.ModuleList(
            self.make_layer(layer, width_in, width_out, last=self._ends(layer, len(widths) - 2))
            for layer, (width_in, width_out) in enumerate(pairwise(widths))
        )
        # batch norm would make an energy depend on the other structures of its batch
        self.norms = nn.ModuleList(
            nn.Identity() if spec.smooth else self.make_norm(width) for width in widths[1:]
        )
        self.attentions = self._make_attentions(len(widths) - 1)
        self.conditionings = self._make_conditionings(widths[1:])
        self.outputs = self.make_outputs(widths[-1])
        self.balance = UncertaintyWeighting(len(spec.heads)) if spec.uncertainty_weighting else None
        if architecture.freeze_conv_layers:
            for part in (self.convs, self.norms, self.attentions, self.conditionings):
                part.requires_grad_(False)
            if self.encodings is not None:
                self.encodings.requires_grad_(False)

    def _make_encodings(self) -> Encodings | None:
        if not self.spec.architecture.global_attn_engine:
            return None
        sees_edges = "edge_features" not in self.unavailable
        edge_dims = (self.spec.edge_dim, self.encoded_edge_dim) if sees_edges else None
        return Encodings(self.spec, self.feature_dim, edge_dims)

    def _make_attentions(self, num_layers: int) -> nn.ModuleDict:
        """By the number of the layer, for those that attend."""
        made = {
            str(layer): self.make_attention(self._ends(layer, num_layers - 1))
            for layer in range(num_layers)
        }
        return nn.ModuleDict({layer: module for layer, module in made.items() if module})

    def _make_conditionings(self, widths: list[int]) -> nn.ModuleDict:
        """One for each width, shared by the layers of that width."""
        options = self.spec.architecture
        make = NODE_CONDITIONINGS.get(options.graph_attr_conditioning_mode)
        if make is None or not options.use_graph_attr_conditioning:
            return nn.ModuleDict()
        attributes = self.spec.graph_attr_dim
        return nn.ModuleDict(
            {str(width): make(width, attributes, self.activation) for width in sorted(set(widths))}
        )

    def _ends(self, layer: int, last: int) -> bool:
        """Whether nobody asks a layer for its vectors: it is the last, and no head predicts any."""
        return layer == last and all(head.symmetry == "scalar" for head in self.spec.heads)

    @property
    def feature_dim(self) -> int:
        """Columns of the nodes that positional encodings are joined to."""
        return self.spec.input_dim

    @property
    def input_dim(self) -> int:
        """Channels that enter the first convolution."""
        attends = self.spec.architecture.global_attn_engine is not None
        return self.spec.architecture.hidden_dim if attends else self.spec.input_dim

    @property
    def edge_dim(self) -> int:
        """Columns of the edge features that the convolutions see, relative encodings included."""
        options = self.spec.architecture
        encoded = options.global_attn_engine is not None and options.pe_dim > 0
        return self.encoded_edge_dim if encoded else self.spec.edge_dim

    @property
    def encoded_edge_dim(self) -> int:
        """Columns of edge features that are joined to relative encodings."""
        return self.spec.architecture.hidden_dim

    @abstractmethod
    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """One convolution from `in_dim` to `out_dim` channels; `last` of its chain or not."""

    def make_layer(self, layer: int, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """The convolution number `layer`, from 0, of the encoder."""
        return self.make_conv(in_dim, out_dim, last)

    def make_attention(self, last: bool) -> nn.Module | None:
        """What attends beside a convolution of the encoder; `last` of its chain or not."""
        engine = self.spec.architecture.global_attn_engine
        if engine == "GPS":
            return GPSLayer(self.spec)
        return EquivariantTransformer(self.spec, self.attended_lmax) if engine else None

    @property
    def attended_lmax(self) -> int:
        """Highest degree of the features that the equivariant transformer sees."""
        return 0

    def make_outputs(self, width: int) -> Outputs:
        """The heads, behind `width` channels."""
        return Outputs(self.spec, width, self.activation, self.make_head_conv, self.vector_channels)

    def make_head_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """One convolution of a `conv` head."""
        return self.make_conv(in_dim, out_dim, last)

    def widths(self) -> list[int]:
        """Channels before the first and after each convolution."""
        hidden = [self.spec.architecture.hidden_dim] * self.spec.architecture.num_conv_layers
        return [self.input_dim, *hidden]

    def make_norm(self, width: int) -> nn.Module:
        """What follows a convolution before its activation."""
        return GlobalBatchNorm(width, sync=self.spec.architecture.sync_batch_norm)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Geometry:
        """What the convolutions want to know of the edges, computed once per batch."""
        return None

    def embed(self, x: Tensor, pos: Tensor | None) -> NodeState:
        """The features that enter the first convolution."""
        return NodeState(x, None)

    def vector_channels(self, width: int) -> int:
        """Vectors that accompany features of `width` channels; 0 where there are none."""
        return 0

    def vectors(self, nodes: NodeState, pos: Tensor | None) -> Tensor:
        """(N, 3, C) vectors of the nodes, for heads that predict some."""
        raise ModelError(f"{type(self).__name__} has no vectors")

    def encode(self, batch: Any) -> Encoded:
        """Run the convolutions on a `GraphBatch` or a torch-geometric batch."""
        edges, x, pos = self.inputs(batch)
        if self.encodings is not None:
            x, edges = self.encodings(x, edges, batch)
        around = self.surroundings(batch, edges, pos)
        nodes = self.embed(x, pos)
        for layer, norm in enumerate(self.norms):
            nodes = self.layer(layer, nodes, around)
            nodes = nodes._replace(x=self.activation(norm(nodes.x)))
        return self.encoded(nodes, around, pos)

    def inputs(self, batch: Any) -> tuple[Edges, Tensor, Tensor | None]:
        """Edges, features and positions of a batch in the precision of the parameters."""
        dtype = self.outputs.dtype
        pos = getattr(batch, "pos", None)
        pos = None if pos is None else pos.to(dtype)
        edges = Edges.of(batch, dtype)
        if self.spec.potential is not None:
            edges = self._with_lengths(edges, pos)
        return edges, batch.x.to(dtype), pos

    def _with_lengths(self, edges: Edges, pos: Tensor | None) -> Edges:
        """What a potential makes of the positions, so that forces follow: features and fading."""
        features, smooth = self.spec.edge_dim > 0, self.spec.smooth and not self.fades
        if not (features or smooth):
            return edges
        assert pos is not None
        scaled = edges.lengths(pos).unsqueeze(1) / required_cutoff(self.spec)
        if features:
            edges = edges.with_features(scaled)
        return edges.with_fading(polynomial_cutoff(scaled, FADING)) if smooth else edges

    def surroundings(self, batch: Any, edges: Edges, pos: Tensor | None) -> Surroundings:
        """What the layers want to know of a batch."""
        graphs = graphs_of(batch)
        attributes = None
        if self.spec.architecture.use_graph_attr_conditioning:
            attributes = graph_attributes(batch, graphs.num_segments, self.spec.graph_attr_dim)
            attributes = attributes.to(self.outputs.dtype)
        if self.spec.architecture.global_attn_engine == "EquivariantTransformer":
            refuse_images(edges)
        geometry = self.geometry(edges, pos)
        return Surroundings(edges, geometry, graphs, Padding(graphs), pos, attributes)

    def layer(self, layer: int, nodes: NodeState, around: Surroundings) -> NodeState:
        """One convolution, the attention beside it, and what the attributes of the graphs do."""
        conv = self.convs[layer]
        inputs = (nodes, around.edges, around.geometry)
        if self.recompute and torch.is_grad_enabled():
            new: NodeState = checkpoint(conv, *inputs, use_reentrant=False)
        else:
            new = conv(*inputs)
        if str(layer) in self.attentions:
            new = self.attentions[str(layer)](nodes, new, around.padding, around.pos)
        if self.conditionings:
            conditioning = self.conditionings[str(new.x.shape[1])]
            new = new._replace(x=conditioning(new.x, around.graph_attr, around.graphs))
        return new

    def encoded(self, nodes: NodeState, around: Surroundings, pos: Tensor | None) -> Encoded:
        """What the heads are given."""
        return Encoded(
            nodes,
            around.edges,
            around.graphs,
            pos,
            around.geometry,
            self.geometry,
            graph_attr=around.graph_attr,
            vectors_of=self.vectors,
        )

    def forward(self, batch: Any) -> list[Tensor]:
        """One tensor per head: (G, dim) for graph heads, (N, dim) for node heads."""
        outputs: list[Tensor] = self.outputs(
            self.encode(batch), getattr(batch, "dataset_name", None)
        )
        return outputs


def required_cutoff(spec: ModelSpec) -> float:
    """The radius, Å, of an architecture whose functions of the distance end there.

    Raises:
        ModelError: if the config gives none.
    """
    if spec.architecture.radius is None:
        raise ModelError(
            f"NeuralNetwork.Architecture.radius: expected a number > 0 (Å), because the radial "
            f"functions of {spec.architecture.mpnn_type} end there, got none"
        )
    return spec.architecture.radius


class TopologyStack(MessagePassingStack):
    """Convolutions that see who neighbours whom and nothing else of the edges."""

    unavailable = MessagePassingStack.unavailable | {"edge_features"}


def refuse_images(edges: Edges) -> None:
    """Raise for edges to periodic images: attention between all pairs knows no images."""
    if edges.shifts is not None and bool((edges.shifts != 0).any()):
        raise ModelError(
            "batch.edge_shifts: expected structures without periodic images, because the "
            "EquivariantTransformer attends to each atom once, at its place; got shifts. "
            "Hint: global_attn_engine GPS does not look at places"
        )


def graph_attributes(batch: Any, num_graphs: int, width: int) -> Tensor:
    """(G, width) attributes of the graphs.

    Raises:
        ModelError: if the batch has none, or others.
    """
    given = getattr(batch, "graph_attr", None)
    if given is None or given.numel() != num_graphs * width:
        got = "none" if given is None else f"shape {tuple(given.shape)}"
        raise ModelError(
            f"batch.graph_attr: expected ({num_graphs}, {width}) attributes of the graphs, "
            f"got {got}. Hint: Variables_of_interest.graph_attr_features names them"
        )
    attributes: Tensor = given.view(num_graphs, width)
    return attributes


def graphs_of(batch: Any) -> Segments:
    """The nodes by graph; a single torch-geometric `Data` is one graph."""
    index = getattr(batch, "batch", None)
    if index is None:
        zeros = torch.zeros(batch.x.shape[0], dtype=torch.long, device=batch.x.device)
        return Segments(zeros, 1)
    return Segments(index, batch.num_graphs, getattr(batch, "ptr", None))
