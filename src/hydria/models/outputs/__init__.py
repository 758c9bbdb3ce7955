"""Heads: what is predicted per graph and per node, in one branch per data set or in one for all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.models.outputs.branches import Branched
from hydria.models.outputs.graph import GraphHeads
from hydria.models.outputs.node import NODE_HEADS, Channels, no_vectors
from hydria.models.state import Encoded

MakeConv = Callable[[int, int, bool], nn.Module]


class Outputs(nn.Module):
    """All heads of a model, graph heads and node heads each with their branches."""

    def __init__(
        self,
        spec: ModelSpec,
        width: int,
        activation: nn.Module,
        make_conv: MakeConv,
        channels: Channels = no_vectors,
    ) -> None:
        """Make the heads that `spec.heads` asks for.

        Args:
            spec: the model's description.
            width: channels of the node features that come in.
            activation: the model's activation module, shared.
            make_conv: how the architecture makes a convolution, for `conv` heads.
            channels: vectors that accompany features of a width.
        """
        super().__init__()
        self.kinds = [head.kind for head in spec.heads]
        configured = spec.architecture.output_heads
        if "graph" in self.kinds:
            self.graph = Branched(
                {
                    branch.type: GraphHeads(
                        spec, branch.architecture, width, activation, channels(width)
                    )
                    for branch in configured.graph
                }
            )
        if "node" in self.kinds:
            self.node = Branched(
                {
                    branch.type: NODE_HEADS[branch.architecture.type](
                        spec, branch.architecture, width, activation, make_conv, channels
                    )
                    for branch in configured.node
                }
            )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters."""
        return next(self.parameters()).dtype

    def forward(self, encoded: Encoded, datasets: Tensor | None) -> list[Tensor]:
        """Predict.

        Args:
            encoded: the batch after its convolutions.
            datasets: (G,) or (G, 1) number of the branch of each graph, or None.

        Returns:
            One tensor per head, in the order of the spec.
        """
        found: dict[int, Tensor] = {}
        for kind in dict.fromkeys(self.kinds):
            found |= getattr(self, kind)(encoded, datasets)
        return [found[index] for index in range(len(self.kinds))]
