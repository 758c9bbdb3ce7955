"""What all heads do alike at their end: columns of the last layer, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydria.config.spec import HeadSpec, ModelSpec
from hydria.core.errors import ModelError
from hydria.models.state import Encoded, NodeState
from hydria.nn.pooling import pool


@dataclass(frozen=True)
class Readout:
    """From the columns of a last layer to the output of a head.

    Columns of scalars are the output. A vector is a sum of the node's vectors v_c with the columns
    as weights, ``Σ_c a_c v_c``; a tensor, nine columns by rows, is ``a_0 I + Σ_c a_c v_c v_cᵀ``,
    which is symmetric. With a Gaussian likelihood one more column is the root of a variance that
    is the same in all directions.

    Attributes:
        head: the output.
        channels: vectors that come with the features.
        gaussian_nll: whether roots of variances follow the means.
    """

    head: HeadSpec
    channels: int
    gaussian_nll: bool

    @classmethod
    def of(cls, spec: ModelSpec, head: HeadSpec, channels: int) -> Readout:
        """The readout of a head.

        Raises:
            ModelError: if it predicts vectors and there are none.
        """
        if head.symmetry != "scalar" and not channels:
            raise ModelError(
                f"output {head.name!r}: expected scalars, because "
                f"{spec.architecture.mpnn_type} has no vectors to make a {head.symmetry} of"
            )
        return cls(head, channels, spec.gaussian_nll)

    @property
    def is_scalar(self) -> bool:
        """Whether the columns are the output."""
        return self.head.symmetry == "scalar"

    @property
    def columns(self) -> int:
        """Columns of the last layer."""
        if self.is_scalar:
            return self.head.dim * (1 + self.gaussian_nll)
        return self.channels + (self.head.symmetry == "tensor") + self.gaussian_nll

    def per_node(self, raw: Tensor, encoded: Encoded, nodes: NodeState | None = None) -> Tensor:
        """(N, columns) → (N, dim); `nodes` is the state the columns come from, if another."""
        if self.is_scalar:
            return raw
        return self._joined(raw, self._basis(encoded.vectors(nodes)))

    def per_graph(self, raw: Tensor, encoded: Encoded, pooling: str) -> Tensor:
        """(G, columns) → (G, dim) over what is pooled of the nodes."""
        if self.is_scalar:
            return raw
        basis = self._basis(encoded.vectors())
        pooled = pool(pooling, basis.flatten(1), encoded.graphs)
        return self._joined(raw, pooled.view(-1, *basis.shape[1:]))

    def _basis(self, vectors: Tensor) -> Tensor:
        """(N, dim, C): the vectors, or their products with themselves."""
        if self.head.symmetry == "vector":
            return vectors
        return (vectors.unsqueeze(1) * vectors.unsqueeze(2)).flatten(1, 2)

    def _joined(self, raw: Tensor, basis: Tensor) -> Tensor:
        weights, rest = raw.tensor_split([self.channels], dim=1)
        result = (basis * weights.unsqueeze(1)).sum(2)
        if self.head.symmetry == "tensor":
            identity = torch.eye(3, dtype=raw.dtype, device=raw.device).flatten()
            result = result + rest[:, :1] * identity
        if self.gaussian_nll:
            result = torch.cat([result, raw[:, -1:].expand(-1, self.head.dim)], dim=1)
        return result

    def start(self, last: nn.Module, spec: ModelSpec) -> None:
        """Start the bias of the last layer at `initial_bias`, where that is the output's."""
        if self.is_scalar and spec.architecture.initial_bias is not None:
            nn.init.constant_(last.get_parameter("bias"), spec.architecture.initial_bias)


def readouts(spec: ModelSpec, kind: str, channels: int) -> dict[str, Readout]:
    """The readouts of the heads of one kind by the number of the head."""
    return {
        str(index): Readout.of(spec, head, channels)
        for index, head in enumerate(spec.heads)
        if head.kind == kind
    }
