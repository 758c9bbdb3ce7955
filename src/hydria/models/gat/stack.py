"""The GAT architecture."""

from __future__ import annotations

from typing import cast

from torch import nn

from hydria.config.architectures.gat import GAT
from hydria.models.base import MessagePassingStack
from hydria.models.gat.conv import GATConv


class GATStack(MessagePassingStack):
    """Attention layers with batch norm.

    Hidden layers put their heads side by side, so they are `heads` times as wide as `hidden_dim`;
    the last one, and the layers of `conv` heads, average them.
    """

    @property
    def options(self) -> GAT:
        """The options of this architecture."""
        return cast(GAT, self.spec.architecture)

    def widths(self) -> list[int]:
        """Channels before the first and after each convolution."""
        options = self.options
        heads = options.heads if self._concatenates else 1
        wide = [options.hidden_dim * heads] * (options.num_conv_layers - 1)
        return [self.input_dim, *wide, options.hidden_dim]

    @property
    def _concatenates(self) -> bool:
        """Whether heads stand side by side; beside global attention all widths are the same."""
        return self.options.global_attn_engine is None

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """An attention layer of the encoder."""
        return self._conv(in_dim, out_dim, concat=self._concatenates and not last)

    def make_head_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """An attention layer of a `conv` head."""
        return self._conv(in_dim, out_dim, concat=False)

    def _conv(self, in_dim: int, out_dim: int, concat: bool) -> nn.Module:
        options = self.options
        return GATConv(
            in_dim,
            out_dim,
            self.edge_dim,
            options.heads,
            negative_slope=options.negative_slope,
            dropout=options.dropout,
            concat=concat,
        )
