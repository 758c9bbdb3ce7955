"""Outputs per node: one MLP for all nodes, one for each position, or convolutions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from hydria.config.architectures.heads import NodeHead
from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.outputs.branches import Heads
from hydria.models.outputs.columns import Readout, readouts
from hydria.models.state import Encoded, NodeState
from hydria.nn.mlp import StackedLinear, mlp
from hydria.nn.norm import GlobalBatchNorm

MakeConv = Callable[[int, int, bool], nn.Module]


Channels = Callable[[int], int]


def no_vectors(width: int) -> int:
    """Of invariant architectures."""
    return 0


class SharedHeads(Heads):
    """`mlp`: the same MLP for every node."""

    per_node = True

    def __init__(
        self,
        spec: ModelSpec,
        options: NodeHead,
        width: int,
        activation: nn.Module,
        make_conv: MakeConv,
        channels: Channels = no_vectors,
    ) -> None:
        """Make one MLP per node output; `width` is the channels of the node features."""
        super().__init__()
        self.readouts = readouts(spec, "node", channels(width))
        heads = {
            index: mlp([width, *options.dim_headlayers, readout.columns], activation)
            for index, readout in self.readouts.items()
        }
        for index, layers in heads.items():
            self.readouts[index].start(layers[-1], spec)
        self.heads = nn.ModuleDict(heads)

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(N, dim) per head."""
        return {
            int(index): self.readouts[index].per_node(head(encoded.nodes.x), encoded)
            for index, head in self.heads.items()
        }


class PositionHeads(Heads):
    """`mlp_per_node`: an MLP for each node position; all graphs have the same number of nodes."""

    per_node = True

    def __init__(
        self,
        spec: ModelSpec,
        options: NodeHead,
        width: int,
        activation: nn.Module,
        make_conv: MakeConv,
        channels: Channels = no_vectors,
    ) -> None:
        """Make the MLPs.

        Raises:
            ModelError: if the graphs of the data differ in their number of nodes.
        """
        super().__init__()
        if spec.num_nodes is None:
            raise ModelError(
                "NeuralNetwork.Architecture.output_heads.node.type: expected mlp or conv, because "
                "the graphs differ in their number of nodes, got mlp_per_node"
            )
        self.num_nodes = spec.num_nodes
        self.readouts = readouts(spec, "node", channels(width))
        heads = {
            index: self._mlp([width, *options.dim_headlayers, readout.columns], activation)
            for index, readout in self.readouts.items()
        }
        for index, layers in heads.items():
            self.readouts[index].start(layers[-1], spec)
        self.heads = nn.ModuleDict(heads)

    def _mlp(self, widths: list[int], activation: nn.Module) -> nn.Sequential:
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += [StackedLinear(self.num_nodes, width_in, width_out), activation]
        return nn.Sequential(*layers[:-1])

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(N, dim) per head.

        Raises:
            ModelError: if the batch does not hold `num_nodes` nodes per graph.
        """
        x, num_graphs = encoded.nodes.x, encoded.graphs.num_segments
        if len(x) != num_graphs * self.num_nodes:
            raise ModelError(
                f"mlp_per_node: expected {self.num_nodes} nodes in each of {num_graphs} graphs, "
                f"got {len(x)} nodes"
            )
        by_position = x.view(num_graphs, self.num_nodes, -1).transpose(0, 1)
        rows = {
            index: head(by_position).transpose(0, 1).reshape(len(x), -1)
            for index, head in self.heads.items()
        }
        return {
            int(index): self.readouts[index].per_node(raw, encoded) for index, raw in rows.items()
        }


class ConvHead(nn.Module):
    """The last convolution of one output and its norm."""

    def __init__(self, conv: nn.Module, readout: Readout, spec: ModelSpec) -> None:
        super().__init__()
        self.conv, self.readout = conv, readout
        self.norm = GlobalBatchNorm(readout.columns, spec.architecture.sync_batch_norm)
        readout.start(self.norm, spec)

    def forward(self, nodes: NodeState, encoded: Encoded) -> Tensor:
        """(N, dim)."""
        raw: Tensor = self.norm(self.conv(nodes, encoded.edges, encoded.geometry).x)
        return self.readout.per_node(raw, encoded, nodes)


class ConvHeads(Heads):
    """`conv`: convolutions shared by all node outputs, then one more for each.

    Every convolution is followed by batch norm and, but for the last one, by the activation: a
    ReLU on the prediction itself would cut off its negative half.
    """

    per_node = True

    def __init__(
        self,
        spec: ModelSpec,
        options: NodeHead,
        width: int,
        activation: nn.Module,
        make_conv: MakeConv,
        channels: Channels = no_vectors,
    ) -> None:
        """Make the convolutions as the architecture makes its own."""
        super().__init__()
        sync = spec.architecture.sync_batch_norm
        hidden = options.dim_headlayers
        self.activation = activation
        self.convs = nn.ModuleList(
            make_conv(width_in, width_out, False)
            for width_in, width_out in pairwise((width, *hidden))
        )
        self.norms = nn.ModuleList(GlobalBatchNorm(width_out, sync) for width_out in hidden)
        self.heads = nn.ModuleDict(
            {
                index: ConvHead(make_conv(hidden[-1], readout.columns, True), readout, spec)
                for index, readout in readouts(spec, "node", channels(hidden[-1])).items()
            }
        )

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(N, dim) per head."""
        nodes = encoded.nodes
        for conv, norm in zip(self.convs, self.norms, strict=True):
            nodes = conv(nodes, encoded.edges, encoded.geometry)
            nodes = nodes._replace(x=self.activation(norm(nodes.x)))
        return {int(index): head(nodes, encoded) for index, head in self.heads.items()}


NODE_HEADS: dict[str, Callable[..., Heads]] = {
    "mlp": SharedHeads,
    "mlp_per_node": PositionHeads,
    "conv": ConvHeads,
}
