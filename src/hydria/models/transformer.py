"""HydraGNN's equivariant transformer: attention between all pairs beside each convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.config.spec import ModelSpec
from hydria.models.state import NodeState
from hydria.nn.all_pairs import FeedForward, PairAttention, RMSNorm
from hydria.nn.attention import Padding


class EquivariantTransformer(nn.Module):
    """``z + FF(norm(z))``, z = conv(f) + f + attention(norm(f)) in parallel mode.

    In sequential mode attention follows the convolution: z = c + attention(norm(c)), c = conv(f).
    The features f are scalars and, where the architecture has them, vectors and higher degrees.

    Source: HydraGNN, "Equivariant all-to-all graph Transformer"; parallel as in GPS.
    """

    def __init__(self, spec: ModelSpec, lmax: int) -> None:
        """Make the layer for `hidden_dim` channels of the degrees 0 … `lmax`."""
        super().__init__()
        options, width = spec.architecture, spec.architecture.hidden_dim
        self.lmax = lmax
        self.parallel = options.equivariant_attn_coupling_mode == "parallel"
        self.attention_norm, self.feedforward_norm = RMSNorm(), RMSNorm()
        self.attention = PairAttention(
            lmax,
            width,
            heads=options.global_attn_heads,
            edge_lmax=options.equivariant_attn_lmax,
            num_radial=options.equivariant_attn_num_radial,
            chunk_size=options.equivariant_attn_chunk_size,
        )
        hidden_dim = options.equivariant_attn_feedforward_multiplier * width
        self.feedforward = FeedForward(lmax, width, hidden_dim)

    def forward(
        self, before: NodeState, after: NodeState, padding: Padding, pos: Tensor
    ) -> NodeState:
        """Join the states before and after a convolution; `pos` is (N, 3), Å."""
        local = self._joined(after)
        start = self._joined(before) if self.parallel else local
        attended = start + self.attention(self.attention_norm(start), pos, padding)
        total = local + attended if self.parallel else attended
        total = total + self.feedforward(self.feedforward_norm(total))
        rest = total[:, 1:] if self.lmax else after.equivariant
        return after._replace(x=total[:, 0], equivariant=rest)

    def _joined(self, state: NodeState) -> Tensor:
        """(N, (lmax + 1)², C); degrees that the state does not have are zero."""
        scalars = state.x.unsqueeze(1)
        if self.lmax and state.equivariant is not None:
            scalars = torch.cat([scalars, state.equivariant], dim=1)
        missing = (self.lmax + 1) ** 2 - scalars.shape[1]
        return functional.pad(scalars, (0, 0, 0, missing))
