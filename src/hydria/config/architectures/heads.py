"""Output heads: what is predicted per graph and per node, in one or several branches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from hydria.config.base import Frozen


class GraphHead(Frozen):
    """Shared layers after pooling, then one MLP per graph output."""

    num_sharedlayers: PositiveInt = 2
    dim_sharedlayers: PositiveInt = 64
    num_headlayers: PositiveInt = 2
    dim_headlayers: tuple[PositiveInt, ...] = (64, 64)

    @model_validator(mode="after")
    def _as_many_widths_as_layers(self) -> GraphHead:
        return _checked(self)


class NodeHead(Frozen):
    """One MLP (shared by all nodes, or one per node position) or convolutions per node output."""

    type: Literal["mlp", "mlp_per_node", "conv"] = "mlp"
    num_headlayers: PositiveInt = 2
    dim_headlayers: tuple[PositiveInt, ...] = (64, 64)

    @model_validator(mode="after")
    def _as_many_widths_as_layers(self) -> NodeHead:
        return _checked(self)


_Head = TypeVar("_Head", "GraphHead", "NodeHead")


def _checked(head: _Head) -> _Head:
    if len(head.dim_headlayers) != head.num_headlayers:
        raise ValueError(
            f"expected num_headlayers={head.num_headlayers} widths in dim_headlayers, "
            f"got {len(head.dim_headlayers)}"
        )
    return head


class GraphBranch(Frozen):
    """The graph head of the data sets that belong to one branch."""

    type: str = Field("branch-0", pattern=r"^branch-\d+$")
    architecture: GraphHead


class NodeBranch(Frozen):
    """The node head of the data sets that belong to one branch."""

    type: str = Field("branch-0", pattern=r"^branch-\d+$")
    architecture: NodeHead


def _as_branches(value: Any) -> Any:
    """A single head is the only branch (user manual, "Branch-Specific Output Heads")."""
    if isinstance(value, dict):
        return [{"type": "branch-0", "architecture": value}]
    return value


class OutputHeads(Frozen):
    """Heads of each kind; a kind without outputs may be left out."""

    graph: Annotated[tuple[GraphBranch, ...], BeforeValidator(_as_branches)] = ()
    node: Annotated[tuple[NodeBranch, ...], BeforeValidator(_as_branches)] = ()
