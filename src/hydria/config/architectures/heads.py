"""Output heads: what is predicted per graph and per node, in one or several branches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hydria.config.base import Count, Frozen, shown


class GraphHead(Frozen):
    """Shared layers after pooling, then one MLP per graph output."""

    type: Literal["mlp"] = "mlp"
    """Kind of the layers."""
    num_sharedlayers: Count = 2
    """Layers that all graph outputs share."""
    dim_sharedlayers: Count = 64
    """Width of the shared layers."""
    num_headlayers: Count = 2
    """Layers of each output."""
    dim_headlayers: tuple[Count, ...] = (64, 64)
    """Width of each layer of an output."""

    @model_validator(mode="after")
    def _as_many_widths_as_layers(self) -> GraphHead:
        return _checked(self)


class NodeHead(Frozen):
    """One MLP (shared by all nodes, or one per node position) or convolutions per node output."""

    type: Literal["mlp", "mlp_per_node", "conv"] = "mlp"
    """One MLP for all nodes, one for each node position, or convolutions."""
    num_headlayers: Count = 2
    """Layers of each output."""
    dim_headlayers: tuple[Count, ...] = (64, 64)
    """Width of each layer of an output."""

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
    """Name of the branch."""
    architecture: GraphHead
    """Layers of the branch."""


class NodeBranch(Frozen):
    """The node head of the data sets that belong to one branch."""

    type: str = Field("branch-0", pattern=r"^branch-\d+$")
    """Name of the branch."""
    architecture: NodeHead
    """Layers of the branch."""


def _as_branches(value: Any) -> Any:
    """A single head is the only branch (user manual, "Branch-Specific Output Heads")."""
    if isinstance(value, dict):
        return [value if "architecture" in value else {"architecture": value}]
    if isinstance(value, list | tuple):
        return value
    raise ValueError(f"expected a head, or a list of branches, got {shown(value)}")


_Branches = TypeVar("_Branches", tuple[GraphBranch, ...], tuple[NodeBranch, ...])


def _each_once(branches: _Branches) -> _Branches:
    names = [branch.type for branch in branches]
    if len(set(names)) < len(names):
        raise ValueError(f"expected branches of different types, got {', '.join(names)}")
    return branches


class OutputHeads(Frozen):
    """Heads of each kind; a kind without outputs may be left out."""

    graph: Annotated[
        tuple[GraphBranch, ...],
        BeforeValidator(_as_branches, json_schema_input_type=GraphHead | tuple[GraphBranch, ...]),
        AfterValidator(_each_once),
    ] = ()
    """Head of the graph outputs, or a list of branches."""
    node: Annotated[
        tuple[NodeBranch, ...],
        BeforeValidator(_as_branches, json_schema_input_type=NodeHead | tuple[NodeBranch, ...]),
        AfterValidator(_each_once),
    ] = ()
    """Head of the node outputs, or a list of branches."""
