"""The shape that all architectures share: convolutions, pooling, heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.outputs import Outputs
from hydria.models.state import Encoded, Geometry, NodeState
from hydria.nn.activations import activation
from hydria.nn.edges import Edges
from hydria.nn.norm import GlobalBatchNorm
from hydria.nn.segments import Segments


class MessagePassingStack(nn.Module, ABC):
    """N convolutions, each with a norm and an activation, then the heads.

    An architecture says how one convolution is made and what it wants to know of the edges; it
    may also change the widths, the norms and the first features. A convolution is a module
    called as ``conv(nodes, edges, geometry)`` that returns the new `NodeState`.
    """

    unavailable: ClassVar[frozenset[str]] = frozenset({"equivariance"})
    """Options of a config that the architecture cannot follow: refused, never ignored."""

    def __init__(self, spec: ModelSpec) -> None:
        """Make convolutions and heads with fresh weights.

        Args:
            spec: the whole description; `spec.architecture` holds this type's own options.
        """
        super().__init__()
        self.spec = spec
        architecture = spec.architecture
        self.activation = activation(architecture.activation_function)
        widths = self.widths()
        self.convs = nn.ModuleList(
            self.make_layer(layer, width_in, width_out, last=layer == len(widths) - 2)
            for layer, (width_in, width_out) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(self.make_norm(width) for width in widths[1:])
        self.outputs = self.make_outputs(widths[-1])
        if architecture.freeze_conv_layers:
            self.convs.requires_grad_(False)
            self.norms.requires_grad_(False)

    @abstractmethod
    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """One convolution from `in_dim` to `out_dim` channels; `last` of its chain or not."""

    def make_layer(self, layer: int, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """The convolution number `layer`, from 0, of the encoder."""
        return self.make_conv(in_dim, out_dim, last)

    def make_outputs(self, width: int) -> Outputs:
        """The heads, behind `width` channels."""
        return Outputs(self.spec, width, self.activation, self.make_head_conv)

    def make_head_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """One convolution of a `conv` head."""
        return self.make_conv(in_dim, out_dim, last)

    def widths(self) -> list[int]:
        """Channels before the first and after each convolution."""
        hidden = [self.spec.architecture.hidden_dim] * self.spec.architecture.num_conv_layers
        return [self.spec.input_dim, *hidden]

    def make_norm(self, width: int) -> nn.Module:
        """What follows a convolution before its activation."""
        return GlobalBatchNorm(width, sync=self.spec.architecture.sync_batch_norm)

    def geometry(self, edges: Edges, pos: Tensor | None) -> Geometry:
        """What the convolutions want to know of the edges, computed once per batch."""
        return None

    def embed(self, x: Tensor, pos: Tensor | None) -> NodeState:
        """The features that enter the first convolution."""
        return NodeState(x, None)

    def encode(self, batch: Any) -> Encoded:
        """Run the convolutions on a `GraphBatch` or a torch-geometric batch."""
        dtype = self.outputs.dtype
        edges = Edges.of(batch, dtype)
        pos = getattr(batch, "pos", None)
        pos = None if pos is None else pos.to(dtype)
        geometry = self.geometry(edges, pos)
        nodes = self.embed(batch.x.to(dtype), pos)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            nodes = conv(nodes, edges, geometry)
            nodes = nodes._replace(x=self.activation(norm(nodes.x)))
        return Encoded(nodes, edges, graphs_of(batch), pos, geometry, self.geometry)

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


def graphs_of(batch: Any) -> Segments:
    """The nodes by graph; a single torch-geometric `Data` is one graph."""
    index = getattr(batch, "batch", None)
    if index is None:
        zeros = torch.zeros(batch.x.shape[0], dtype=torch.long, device=batch.x.device)
        return Segments(zeros, 1)
    return Segments(index, batch.num_graphs, getattr(batch, "ptr", None))
