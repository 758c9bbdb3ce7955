"""Facts measured from prepared data, apart from what a person wrote."""

from __future__ import annotations

from pydantic import Field

from hydria.config.base import Frozen


class DataSummary(Frozen):
    """What a model must know of its data."""

    num_train: int
    num_validation: int
    num_test: int
    input_dim: int
    """Columns of the node features."""
    edge_dim: int
    """Columns of the edge features."""
    graph_attr_dim: int = 0
    """Columns of the graphs' attributes."""
    output_dim: tuple[int, ...]
    """Columns of each output."""
    num_nodes: int | None
    """Nodes of every graph, when all have the same number."""
    pna_deg: tuple[int, ...]
    """Nodes of the training set by in-degree, 0 first."""
    avg_num_neighbors: float
    """Mean in-degree of the training set."""
    fitted_energies: dict[str, float] = Field(default_factory=dict)
    """Element → energy of an atom, eV, fitted to the training set of a potential."""
    force_rms: float | None = None
    """Root mean square of the components of the training forces, eV/Å."""
    node_minmax: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = Field(
        default_factory=dict
    )
    """Feature → smallest and largest values per column, in the units of the data."""
    graph_minmax: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = Field(
        default_factory=dict
    )
