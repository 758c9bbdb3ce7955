"""Readouts of MACE: linear ones after each layer, dense ones after the last, all added up."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.models.outputs import MakeConv, Outputs
from hydria.models.outputs.branches import Branched, Heads
from hydria.models.outputs.columns import Readout
from hydria.models.outputs.node import Channels, no_vectors
from hydria.models.state import Encoded
from hydria.nn.mlp import StackedLinear
from hydria.nn.pooling import pool


class LinearGraphHeads(Heads):
    """One linear layer on the pooled scalars for each graph output."""

    per_node = False

    def __init__(self, spec: ModelSpec, width: int, channels: int) -> None:
        super().__init__()
        self.pooling = spec.architecture.graph_pooling
        self.readouts = _readouts(spec, "graph", channels)
        self.heads = nn.ModuleDict(
            {index: nn.Linear(width, readout.columns) for index, readout in self.readouts.items()}
        )

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(G, dim) per head."""
        pooled = pool(self.pooling, encoded.nodes.x, encoded.graphs)
        return {
            int(index): self.readouts[index].per_graph(head(pooled), encoded, self.pooling)
            for index, head in self.heads.items()
        }


class LinearNodeHeads(Heads):
    """One linear layer without bias on the scalars for each node output."""

    per_node = True

    def __init__(self, spec: ModelSpec, width: int, channels: int) -> None:
        super().__init__()
        self.readouts = _readouts(spec, "node", channels)
        self.heads = nn.ModuleDict(
            {
                index: nn.Linear(width, readout.columns, bias=False)
                for index, readout in self.readouts.items()
            }
        )

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(N, dim) per head."""
        return {
            int(index): self.readouts[index].per_node(head(encoded.nodes.x), encoded)
            for index, head in self.heads.items()
        }


class LinearPositionHeads(Heads):
    """The same with weights of its own for each node position."""

    per_node = True

    def __init__(self, spec: ModelSpec, width: int, channels: int) -> None:
        super().__init__()
        self.num_nodes = spec.num_nodes or 0
        self.readouts = _readouts(spec, "node", channels)
        self.heads = nn.ModuleDict(
            {
                index: StackedLinear(self.num_nodes, width, readout.columns, bias=False)
                for index, readout in self.readouts.items()
            }
        )

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(N, dim) per head."""
        x = encoded.nodes.x
        by_position = x.view(-1, self.num_nodes, x.shape[1]).transpose(0, 1)
        rows = {
            index: head(by_position).transpose(0, 1).reshape(len(x), -1)
            for index, head in self.heads.items()
        }
        return {
            int(index): self.readouts[index].per_node(raw, encoded) for index, raw in rows.items()
        }


NODE_HEADS = {"mlp_per_node": LinearPositionHeads}


def _readouts(spec: ModelSpec, kind: str, channels: int) -> dict[str, Readout]:
    """Of all heads of a kind; without vectors, of those of scalars."""
    return {
        str(index): Readout.of(spec, head, channels)
        for index, head in enumerate(spec.heads)
        if head.kind == kind and (channels or head.symmetry == "scalar")
    }


class LinearOutputs(nn.Module):
    """Linear heads in the branches of the config."""

    def __init__(self, spec: ModelSpec, width: int, channels: int) -> None:
        """Make the heads behind `width` scalars and `channels` vectors."""
        super().__init__()
        configured = spec.architecture.output_heads
        self.kinds = [head.kind for head in spec.heads]
        if "graph" in self.kinds:
            self.graph = Branched(
                {b.type: LinearGraphHeads(spec, width, channels) for b in configured.graph}
            )
        if "node" in self.kinds:
            self.node = Branched(
                {
                    b.type: NODE_HEADS.get(b.architecture.type, LinearNodeHeads)(
                        spec, width, channels
                    )
                    for b in configured.node
                }
            )

    def forward(self, encoded: Encoded, datasets: Tensor | None) -> dict[int, Tensor]:
        """One tensor per head, by its number."""
        found: dict[int, Tensor] = {}
        for kind in dict.fromkeys(self.kinds):
            found |= getattr(self, kind)(encoded, datasets)
        return found


class MACEOutputs(Outputs):
    """The heads of the config after the last layer, linear ones before the first and between."""

    def __init__(
        self,
        spec: ModelSpec,
        widths: Sequence[int],
        activation: nn.Module,
        make_conv: MakeConv,
        channels: Channels = no_vectors,
    ) -> None:
        """Make the heads; `widths` are the channels of elements, and after each layer."""
        super().__init__(spec, widths[-1], activation, make_conv, channels)
        # elements have no vectors
        vectors = [0, *(channels(width) for width in widths[1:-1])]
        self.linear = nn.ModuleList(
            LinearOutputs(spec, width, number)
            for width, number in zip(widths[:-1], vectors, strict=True)
        )

    def summed(self, encoded: Sequence[Encoded], datasets: Tensor | None) -> list[Tensor]:
        """Add what all readouts predict, one tensor per head."""
        total: list[Tensor] = self(encoded[-1], datasets)
        for readout, state in zip(self.linear, encoded, strict=False):
            for index, part in readout(state, datasets).items():
                total[index] = total[index] + part
        return total
