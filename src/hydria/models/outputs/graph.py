"""Outputs per graph: pooling, shared layers, one MLP per output."""

from __future__ import annotations

from torch import Tensor, nn

from hydria.config.architectures.heads import GraphHead
from hydria.config.spec import ModelSpec
from hydria.models.outputs.branches import Heads
from hydria.models.outputs.columns import readouts
from hydria.models.state import Encoded
from hydria.nn.conditioning import FusePool
from hydria.nn.mlp import mlp
from hydria.nn.pooling import pool


class GraphHeads(Heads):
    """Layers shared by all graph outputs, each followed by the activation; then one MLP each."""

    per_node = False

    def __init__(
        self,
        spec: ModelSpec,
        options: GraphHead,
        width: int,
        activation: nn.Module,
        channels: int = 0,
    ) -> None:
        """Make the layers; `width` and `channels` of the scalars and vectors that are pooled."""
        super().__init__()
        architecture = spec.architecture
        self.pooling = architecture.graph_pooling
        conditioned = architecture.use_graph_attr_conditioning
        fuses = conditioned and architecture.graph_attr_conditioning_mode == "fuse_pool"
        self.fuse = FusePool(width, spec.graph_attr_dim, activation) if fuses else None
        shared = [width, *[options.dim_sharedlayers] * options.num_sharedlayers]
        self.shared = mlp(shared, activation, activate_last=True)
        widths = [shared[-1], *options.dim_headlayers]
        self.readouts = readouts(spec, "graph", channels)
        self.heads = nn.ModuleDict(
            {
                index: mlp([*widths, readout.columns], activation)
                for index, readout in self.readouts.items()
            }
        )
        for index, readout in self.readouts.items():
            readout.start(self.heads.get_submodule(index)[-1], spec)  # type: ignore[index]

    def forward(self, encoded: Encoded) -> dict[int, Tensor]:
        """(G, dim) per head."""
        pooled = pool(self.pooling, encoded.nodes.x, encoded.graphs)
        if self.fuse is not None:
            pooled = self.fuse(pooled, encoded.graph_attr)
        shared = self.shared(pooled)
        return {
            int(index): self.readouts[index].per_graph(head(shared), encoded, self.pooling)
            for index, head in self.heads.items()
        }
