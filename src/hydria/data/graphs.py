"""Structures to training-ready graphs: neighbours, inputs and targets as columns of a store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hydria.config.architectures import AnyArchitecture
from hydria.config.dataset import Features
from hydria.config.potential import ENERGY, targets_of
from hydria.config.run import RunConfig
from hydria.config.spec import output_symmetries
from hydria.core.errors import ConfigError, DataError, Problem
from hydria.data.branches import branch_numbers
from hydria.data.descriptors import edge_features, element_features
from hydria.data.normalise import Scale, fit, normalise
from hydria.data.store import GraphStore
from hydria.data.structures import Bonds, Floats, Structures
from hydria.graph.laplacian import laplacian_encodings
from hydria.graph.neighbors import EdgeSets, radius_graphs

log = logging.getLogger(__name__)

Array = NDArray[Any]
Columns = dict[str, Array]
OUTPUT = "y."
# Å; nuclei are never that near: atoms given twice, or positions in other units
TOO_CLOSE = 0.1
# architectures that see of a graph only its edges and their features
SEE_BONDS_ONLY = frozenset({"GIN", "SAGE", "MFC", "GAT", "PNA"})


def build_graphs(
    structures: Structures, config: RunConfig, scales: dict[str, Scale] | None = None
) -> GraphStore:
    """Graphs of all structures, with features and targets on their scales.

    Features named `_scaled_num_nodes` are expected to be divided already.

    The columns are `x` (N, F), `pos` (N, 3), `z` (N,) atomic numbers, `pe` (N, pe_dim) for global
    attention and `y.<output>` of nodes; `edge_shifts` (E, 3) when periodic, `edge_attr` (E, D) with
    edge features or descriptors of edges; `cell`, `pbc`, `graph_attr` (G, A),
    `dataset_name` (G, 1), the number of the branch, and `y.<output>` of graphs. Distances are found
    in float64, and only then cast. Edges are the pairs within the radius, or, without one, bonds.

    Args:
        structures: with all features of the config.
        config: of the run.
        scales: by feature; those that fit these structures when left out.

    Raises:
        ConfigError: if an index of the config is out of range, or no radius is given.
        DataError, GraphError: if no graphs can be made of the structures.
    """
    dataset, network = config.dataset, config.neural_network
    check_indices(config)
    if dataset.rotational_invariance:
        structures = turned_to_principal_axes(structures)
    edges = _edges(structures, network.architecture)
    if scales is None:
        scales = _fitted(structures, config)
    dtype = np.float64 if network.training.precision == "fp64" else np.float32
    node, graph = _columns(structures, config, scales)
    node |= _encodings(structures, edges, network.architecture)
    branches = branch_numbers(structures, dataset)
    return GraphStore(
        node=_cast(node, dtype) | {"z": structures.numbers},
        edge=_edge_columns(edges, structures, config, dtype),
        graph=_cast(graph, dtype)
        | energy_column(structures, config)
        | _lattice_columns(structures, network.architecture, dtype)
        | ({} if branches is None else {"dataset_name": branches})
        | (_label_column(structures) if config.is_potential else {}),
        node_ptr=structures.node_ptr,
        edge_ptr=edges.edge_ptr,
        attrs=_attributes(structures, config, scales),
    )


def _label_column(structures: Structures) -> Columns:
    """(G, 1) the number of the label of each structure in the store's list of them."""
    if structures.labels is None:
        return {}
    return {"label": np.unique(structures.labels, return_inverse=True)[1].reshape(-1, 1)}


def _fitted(structures: Structures, config: RunConfig) -> dict[str, Scale]:
    if not config.dataset.normalize_features:
        return {}
    bounds, turning = config.dataset.normalization_range, turning_features(config)
    return fit(structures.node, bounds, turning) | fit(structures.graph, bounds, turning)


def turning_features(config: RunConfig) -> frozenset[str]:
    """Features that are vectors or tensors to the model: zero must stay zero on their scale."""
    network = config.neural_network
    if config.is_potential:
        return frozenset()
    variables = network.variables_of_interest
    named: list[str | None] = []
    dims = []
    for kind, index in zip(variables.type, variables.output_index, strict=True):
        features: Features = getattr(config.dataset, f"{kind}_features")
        there = index < len(features.name)  # what is out of range is refused elsewhere
        named.append(features.name[index] if there else None)
        dims.append(features.dim[index] if there else 1)
    pairs = zip(named, output_symmetries(network, dims), strict=True)
    return frozenset(name for name, symmetry in pairs if name and symmetry != "scalar")


def _encodings(structures: Structures, edges: EdgeSets, architecture: AnyArchitecture) -> Columns:
    if architecture.global_attn_engine is None or not architecture.pe_dim:
        return {}
    ends = (structures.node_ptr, edges.edge_ptr, edges.source, edges.target)
    return {"pe": laplacian_encodings(*ends, architecture.pe_dim)}


def check_indices(config: RunConfig) -> None:
    """Refuse inputs and outputs that no feature stands for.

    Raises:
        ConfigError: with every index that is out of range.
    """
    dataset, variables = config.dataset, config.neural_network.variables_of_interest
    where = "NeuralNetwork.Variables_of_interest"
    columns = sum(dataset.node_features.dim)
    problems = [
        _out_of_range(
            f"{where}.input_node_features[{place}]", "columns of ", "node", columns, index
        )
        for place, index in enumerate(variables.input_node_features)
        if index >= columns
    ]
    counts = {"node": len(dataset.node_features.name), "graph": len(dataset.graph_features.name)}
    problems += [
        _out_of_range(f"{where}.output_index[{place}]", "", kind, counts[kind], index)
        for place, (kind, index) in enumerate(
            zip(variables.type, variables.output_index, strict=True)
        )
        if index >= counts[kind] and not config.is_potential
    ]
    if problems:
        raise ConfigError(problems)


def _out_of_range(path: str, of: str, kind: str, count: int, index: int) -> Problem:
    known = f"0 to {count - 1}" if count else "there are none"
    return Problem(
        path,
        f"expected an index into the {of}{kind} features ({known}), got {index}",
        f"Dataset.{kind}_features names them",
    )


def needs_positions(config: RunConfig) -> bool:
    """Whether the graphs depend on the positions; else the bonds say it all."""
    dataset, architecture = config.dataset, config.neural_network.architecture
    return (
        architecture.radius is not None
        or architecture.mpnn_type not in SEE_BONDS_ONLY
        or "lengths" in architecture.edge_features
        or architecture.global_attn_engine == "EquivariantTransformer"
        or dataset.rotational_invariance
        or dataset.descriptors.SphericalCoordinates
        or dataset.descriptors.PointPairFeatures
    )


def _edges(structures: Structures, architecture: AnyArchitecture) -> EdgeSets:
    path = "NeuralNetwork.Architecture"
    if architecture.radius is None and structures.bonds is not None:
        return _bond_edges(structures, structures.bonds)
    if architecture.radius is None:
        raise ConfigError([Problem(f"{path}.radius", "expected a cutoff (Å), got none")])
    periodic = architecture.periodic_boundary_conditions
    if periodic and structures.cell is None:
        raise DataError(
            f"{path}.periodic_boundary_conditions: expected structures with a lattice, got none. "
            "Hint: give Dataset.lattice (3 x 3, or a CSV file), or set it to false"
        )
    edges = radius_graphs(
        structures.pos,
        structures.node_ptr,
        structures.cell if periodic else None,
        structures.pbc if periodic else None,
        cutoff=architecture.radius,
        max_neighbours=architecture.max_neighbours,
        names=structures.names,
    )
    _report(edges, structures, architecture)
    return edges


def _bond_edges(structures: Structures, bonds: Bonds) -> EdgeSets:
    first = np.repeat(structures.node_ptr[:-1], np.diff(bonds.ptr))
    vectors = structures.pos[bonds.target + first] - structures.pos[bonds.source + first]
    nothing = np.zeros(len(structures), dtype=np.int64)
    return EdgeSets(
        edge_ptr=bonds.ptr,
        source=bonds.source,
        target=bonds.target,
        unit_shifts=np.zeros(vectors.shape, dtype=np.int32),
        edge_shifts=np.zeros_like(vectors),
        edge_len=np.linalg.norm(vectors, axis=1),
        capped=nothing,
        isolated=nothing,
    )


def _report(edges: EdgeSets, structures: Structures, architecture: AnyArchitecture) -> None:
    capped, isolated = np.count_nonzero(edges.capped), int(edges.isolated.sum())
    close = np.flatnonzero(edges.edge_len < TOO_CLOSE)
    if len(close):
        graph = int(np.searchsorted(edges.edge_ptr, close[0], side="right")) - 1
        log.warning(
            "%d pairs of atoms are less than %g Å apart (first in %s); is the unit of the "
            "positions Å?",
            len(close) // 2, TOO_CLOSE, structures.names[graph],
        )  # fmt: skip
    if capped:
        log.warning(
            "max_neighbours: %d of %d structures have atoms with more than %d neighbours within "
            "%g Å; only the nearest %d were kept",
            capped, len(structures), architecture.max_neighbours, architecture.radius,
            architecture.max_neighbours,
        )  # fmt: skip
    if isolated:
        first = structures.names[int(np.flatnonzero(edges.isolated)[0])]
        log.warning(
            "radius: %d atoms of %d structures have no neighbour within %g Å (first in %s); "
            "they get no messages",
            isolated, np.count_nonzero(edges.isolated), architecture.radius, first,
        )  # fmt: skip


def _columns(
    structures: Structures, config: RunConfig, scales: dict[str, Scale]
) -> tuple[Columns, Columns]:
    dataset, variables = config.dataset, config.neural_network.variables_of_interest
    scaled = {
        "node": normalise(structures.node, scales),
        "graph": normalise(structures.graph, scales),
    }
    everything = np.concatenate(list(scaled["node"].values()), axis=1)
    columns: dict[str, Columns] = {"node": {}, "graph": {}}
    inputs = everything[:, list(variables.input_node_features)]
    if wanted := dataset.descriptors.AtomicDescriptors:
        inputs = np.concatenate([inputs, element_features(structures.numbers, wanted)], axis=1)
    columns["node"]["x"] = inputs
    columns["node"]["pos"] = structures.pos
    for output, kind, feature in outputs(config):
        columns[kind][OUTPUT + output] = scaled[kind][feature]
    if variables.graph_attr_features:
        names = [dataset.graph_features.name[index] for index in variables.graph_attr_features]
        attributes = [scaled["graph"][name] for name in names]
        columns["graph"]["graph_attr"] = np.concatenate(attributes, axis=1)
    if config.is_potential:
        targets = targets_of(dataset, variables)
        if targets.forces is not None:
            columns["node"]["forces"] = structures.node[targets.forces]
        if targets.stress is not None:
            columns["graph"]["stress"] = structures.graph[targets.stress]
    return columns["node"], columns["graph"]


def energy_column(structures: Structures, config: RunConfig) -> Columns:
    """(G, 1) energies that a potential is fitted to, eV; in float64, being sums of large terms.

    Raises:
        DataError: if the data has none.
    """
    if not config.is_potential:
        return {}
    targets = targets_of(config.dataset, config.neural_network.variables_of_interest)
    if targets.energy is None:
        raise DataError(
            f"Dataset.graph_features: expected an energy, such as {ENERGY[0]!r}, got none"
        )
    return {"energy": structures.graph[targets.energy].astype(np.float64)}


def outputs(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    """Name, kind ("node" or "graph") and feature of each output that is trained as it stands.

    The targets of a potential are no such outputs: they are the columns `energy`, `forces` and
    `stress`, in their own units.
    """
    dataset, variables = config.dataset, config.neural_network.variables_of_interest
    if config.is_potential:
        return
    names = {"node": dataset.node_features.name, "graph": dataset.graph_features.name}
    for output, kind, index in zip(
        variables.output_names, variables.type, variables.output_index, strict=True
    ):
        yield output, kind, names[kind][index]


def _edge_columns(
    edges: EdgeSets, structures: Structures, config: RunConfig, dtype: DTypeLike
) -> Columns:
    architecture = config.neural_network.architecture
    # the model of a potential makes them from the positions, with which they change
    names = () if config.is_potential else architecture.edge_features
    columns: Columns = {"edge_source": edges.source, "edge_target": edges.target}
    if architecture.periodic_boundary_conditions:
        columns["edge_shifts"] = edges.edge_shifts.astype(dtype)
    cutoff = architecture.radius or 1.0
    features = edge_features(edges, structures, config.dataset.descriptors, cutoff)
    known = {
        "lengths": lambda: edges.edge_len / cutoff,
        "bond_order": lambda: _bond_orders(structures, edges),
    }
    named = [known[name]()[:, None] for name in names]
    features = [*named, *features]
    if features:
        columns["edge_attr"] = np.concatenate(features, axis=1).astype(dtype)
    return columns


def _bond_orders(structures: Structures, edges: EdgeSets) -> Floats:
    """(E,) order of the bond along each edge over 3; 0 where there is none."""
    bonds = structures.bonds
    if bonds is None:
        raise ConfigError(
            [
                Problem(
                    "NeuralNetwork.Architecture.edge_features",
                    "expected lengths, because only SMILES tell bonds; got bond_order",
                )
            ]
        )
    atoms = int(structures.node_ptr[-1])

    def keys(ptr: NDArray[np.int64], source: Array, target: Array) -> NDArray[np.int64]:
        first = np.repeat(structures.node_ptr[:-1], np.diff(ptr))
        return (target + first) * atoms + source + first

    bonded = keys(bonds.ptr, bonds.source, bonds.target)
    order = bonded.argsort()
    wanted = keys(edges.edge_ptr, edges.source, edges.target)
    place = np.searchsorted(bonded[order], wanted).clip(max=max(len(order) - 1, 0))
    if not len(order):
        return np.zeros(len(wanted))
    found = order[place]
    return np.where(bonded[found] == wanted, bonds.order[found] / 3.0, 0.0)


def _lattice_columns(
    structures: Structures, architecture: AnyArchitecture, dtype: DTypeLike
) -> Columns:
    if structures.cell is None or structures.pbc is None:
        return {}
    periodic = architecture.periodic_boundary_conditions
    return {
        "cell": structures.cell.astype(dtype),
        "pbc": structures.pbc if periodic else np.zeros_like(structures.pbc),
    }


def _cast(columns: Columns, dtype: DTypeLike) -> Columns:
    return {name: np.ascontiguousarray(values, dtype=dtype) for name, values in columns.items()}


def _attributes(
    structures: Structures, config: RunConfig, scales: dict[str, Scale]
) -> dict[str, Any]:
    dataset = config.dataset
    features = {OUTPUT + name: feature for name, _, feature in outputs(config)}
    return {
        "dataset": dataset.name,
        "format": dataset.format,
        "features": features,
        "units": {c: structures.units[f] for c, f in features.items() if f in structures.units},
        "scales": {c: scales[f].to_json() for c, f in features.items() if f in scales},
        "labels": sorted(set(structures.labels or ())),
        "feature_scales": {feature: scale.to_json() for feature, scale in scales.items()},
    }


def turned_to_principal_axes(structures: Structures) -> Structures:
    """Every structure turned so that its inertia is diagonal, spread largest along x.

    The sign of an axis is chosen by the third moment of the positions along it; the turn is a
    proper rotation. Vector features are not turned (as in HydraGNN).
    """
    owner = np.repeat(np.arange(len(structures)), structures.num_atoms)
    centred = structures.pos - _means(structures.pos, structures)[owner]
    moments = np.einsum("ni,nj->nij", centred, centred).reshape(-1, 9)
    axes = np.linalg.eigh(_means(moments, structures).reshape(-1, 3, 3))[1][:, :, ::-1]
    skew = _means(np.einsum("ni,nij->nj", centred, axes[owner]) ** 3, structures)
    axes = axes * np.where(skew < 0, -1.0, 1.0)[:, None, :]
    axes[:, :, 2] *= np.sign(np.linalg.det(axes))[:, None]
    cell = structures.cell
    return replace(
        structures,
        pos=np.einsum("ni,nij->nj", centred, axes[owner]),
        cell=None if cell is None else np.einsum("gai,gij->gaj", cell, axes),
    )


def _means(values: Floats, structures: Structures) -> Floats:
    """(G, columns) mean of (N, columns) over the atoms of each structure."""
    sums: Floats = np.add.reduceat(values, structures.node_ptr[:-1], axis=0)
    return sums / structures.num_atoms[:, None]


def feature_minmax(
    features: Features, values: dict[str, Floats]
) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Feature → smallest and largest value of each of its columns."""
    return {
        name: (_floats(values[name].min(axis=0)), _floats(values[name].max(axis=0)))
        for name in features.name
    }


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
