"""GPS: attention between all nodes of a graph beside each convolution, and positional encodings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.core.errors import ModelError
from hydria.models.state import NodeState
from hydria.nn.attention import ATTENTIONS, Padding
from hydria.nn.edges import Edges
from hydria.nn.norm import GlobalBatchNorm


class GPSLayer(nn.Module):
    """``y + MLP(y)``, y = BN(conv(x) + x) + BN(attention(x) + x); batch norm follows.

    It acts on the invariant channels; vectors pass as the convolution left them.

    Source: Rampášek et al. 2022, arXiv:2205.12454, eqs. (4) to (7); oracle:
    torch_geometric.nn.GPSConv.
    """

    def __init__(self, spec: ModelSpec) -> None:
        """Make the layer for `hidden_dim` channels."""
        super().__init__()
        options, width = spec.architecture, spec.architecture.hidden_dim
        kind = options.global_attn_type or "multihead"
        self.attention = ATTENTIONS[kind](width, options.global_attn_heads, spec.redraw_interval)
        self.dropout = nn.Dropout(options.global_attn_dropout)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Dropout(options.global_attn_dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(options.global_attn_dropout),
        )
        self.norms = nn.ModuleList(
            GlobalBatchNorm(width, options.sync_batch_norm) for _ in range(3)
        )

    def forward(
        self, before: NodeState, after: NodeState, padding: Padding, pos: Tensor | None
    ) -> NodeState:
        """Join the (N, C) invariant features before and after a convolution."""
        x = before.x
        local = self.norms[0](self.dropout(after.x) + x)
        everywhere = self.norms[1](self.dropout(self.attention(x, padding)) + x)
        joined = local + everywhere
        return after._replace(x=self.norms[2](joined + self.mlp(joined)))


class Encodings(nn.Module):
    """Embeds nodes with their Laplacian eigenvectors, and edges with the differences of these."""

    def __init__(self, spec: ModelSpec, node_dim: int, edge_dims: tuple[int, int] | None) -> None:
        """Make the linear maps, all without bias.

        Args:
            spec: of the model; `pe_dim` may be 0.
            node_dim: columns of the nodes.
            edge_dims: columns of the edge features, perhaps 0, and of what becomes of them; None
                where convolutions see none.
        """
        super().__init__()
        width, self.pe_dim = spec.architecture.hidden_dim, spec.architecture.pe_dim
        self.node = _linear(node_dim, width)
        self.relative = None
        if self.pe_dim:
            self.position = _linear(self.pe_dim, width)
            self.join = _linear(2 * width, width)
        if self.pe_dim and edge_dims is not None:
            before, after = edge_dims
            self.relative = _linear(self.pe_dim, after)
            self.edge = _linear(before, after) if before else None
            self.edge_join = _linear(2 * after, after) if before else None

    def forward(self, x: Tensor, edges: Edges, batch: Any) -> tuple[Tensor, Edges]:
        """(N, C) node features, and edges with (E, C) features where convolutions see them.

        Raises:
            ModelError: if the batch has no encodings of the right number.
        """
        nodes: Tensor = self.node(x)
        if not self.pe_dim:
            return nodes, edges
        position = _encodings(batch, self.pe_dim).to(nodes.dtype)
        nodes = self.join(torch.cat([nodes, self.position(position)], dim=1))
        if self.relative is None:
            return nodes, edges
        apart = (edges.by_target.spread(position) - edges.from_source(position)).abs()
        features = self.relative(apart)
        if self.edge is not None and self.edge_join is not None:
            features = self.edge_join(torch.cat([self.edge(edges.features), features], dim=1))
        return nodes, edges.with_features(features)


def _linear(in_dim: int, out_dim: int) -> nn.Linear:
    return nn.Linear(in_dim, out_dim, bias=False)


def _encodings(batch: Any, pe_dim: int) -> Tensor:
    """(N, pe_dim) Laplacian eigenvectors of the nodes."""
    given = getattr(batch, "pe", None)
    if given is None or given.shape[1] != pe_dim:
        got = "none" if given is None else f"{given.shape[1]}"
        raise ModelError(
            f"batch.pe: expected {pe_dim} columns (NeuralNetwork.Architecture.pe_dim), got {got}. "
            "Hint: hydria prepare makes them"
        )
    encodings: Tensor = given
    return encodings
