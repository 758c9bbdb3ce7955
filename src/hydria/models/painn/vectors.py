"""What PaiNN and PNAEq have in common around their layers."""

from __future__ import annotations

from torch import Tensor, nn

from hydria.config.spec import ModelSpec
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.state import NodeState

# of the lengths of vectors in smooth potentials; the vectors themselves are of the order of one
SOFTENING = 0.1


class VectorStack(MessagePassingStack):
    """Scalars and as many vectors, which start at zero, over periodic images.

    Vectors are updated whatever `equivariance` says: without them the layers see no angles.
    """

    unavailable = frozenset()

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.cutoff = required_cutoff(spec)

    @property
    def softening(self) -> float:
        """Of the lengths of vectors, where the energy is to be smooth."""
        return SOFTENING if self.spec.smooth else 0.0

    @property
    def attended_lmax(self) -> int:
        """Scalars and vectors."""
        return 1

    def make_norm(self, width: int) -> nn.Module:
        """There is none."""
        return nn.Identity()

    def vector_channels(self, width: int) -> int:
        """As many as scalars."""
        return width

    def vectors(self, nodes: NodeState, pos: Tensor | None) -> Tensor:
        """(N, 3, C) vector features."""
        assert nodes.equivariant is not None
        return nodes.equivariant
