"""Outputs per graph: pooling, shared layers, one MLP per output."""

from __future__ import annotations

from torch import Tensor, nn

from hydria.config.architectures.heads import GraphHead
from hydria.config.spec import ModelSpec
from hydria.models.outputs.branches import Heads
from hydria.models.outputs.columns import num_columns, set_bias
from hydria.models.state import Encoded
from hydria.nn.mlp import mlp
from hydria.nn.pooling import pool


class GraphHeads(Heads):
    """Layers shared by all graph outputs, each followed by the activation; then one MLP each."""

    per_node = False

    def __init__(
        self, spec: ModelSpec, options: GraphHead, width: int, activation: nn.Module
    ) -> None:
        """Make the layers; `width` is the channels of the pooled features."""
        super().__init__()
        self.pooling = spec.architecture.graph_pooling
        shared = [width, *[options.dim_sharedlayers] * options.num_sharedlayers]
        self.shared = mlp(shared, activation, activate_last=True)
        widths = [shared[-1], *options.dim_headlayers]
        heads = {
            str(index): mlp([*widths, num_columns(spec, head)], activation)
            for index, head in enumerate(spec.heads)
            if head.kind == "graph"
        }
        for layers in heads.values():
            set_bias(layers[-1], spec)
        self.heads = nn.ModuleDict(heads)

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(G, dim) per head."""
        shared = self.shared(pool(self.pooling, encoded.nodes.x, encoded.graphs))
        return {int(index): head(shared) for index, head in self.heads.items()}
