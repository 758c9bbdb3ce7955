"""What the sections of a config must have in common, beyond each value by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hydria.config import attention, potential
from hydria.config.architectures import AnyArchitecture, Architecture
from hydria.config.architectures.base import WITH_POSITIONS
from hydria.config.base import shown
from hydria.config.dataset import Dataset, Features, VariablesOfInterest
from hydria.config.formats import FORMATS
from hydria.config.run import RunConfig
from hydria.config.training import Training
from hydria.core.errors import Problem, listed
from hydria.core.registry import nearest

ARCHITECTURE = "NeuralNetwork.Architecture"
VARIABLES = "NeuralNetwork.Variables_of_interest"
TRAINING = "NeuralNetwork.Training"

NO_EDGE_FEATURES = frozenset({"GIN", "SAGE", "MFC"})
# Architectures with functions of the distance that end at the radius.
RADIAL = frozenset({"PNAPlus", "PNAEq", "SchNet", "PAINN", "MACE", "DimeNet"})
# Keys that were given a value to go on with.
KINDS = frozenset({"mpnn_type"})
EQUIVARIANT = frozenset({"EGNN", "SchNet", "PNAEq", "PAINN", "MACE"})


@dataclass(frozen=True)
class Sections:
    """The sections of a config that are valid by themselves; None for the others."""

    dataset: Dataset | None
    architecture: Architecture | None
    variables: VariablesOfInterest | None
    training: Training | None


def sections_of(config: RunConfig) -> Sections:
    network = config.neural_network
    return Sections(
        config.dataset, network.architecture, network.variables_of_interest, network.training
    )


def valid_sections(tree: dict[str, Any], faults: Sequence[Problem]) -> Sections:
    """What can be checked in a config that is not valid as a whole.

    Faulty keys of the architecture are set aside, because most checks need the rest of it.
    """
    network = tree.get("NeuralNetwork")
    network = network if isinstance(network, dict) else {}
    architecture = network.get("Architecture")
    if isinstance(architecture, dict):
        keys = [_key(fault) for fault in faults]
        faulty = {key[-1] for key in keys if key[:-1] == ("NeuralNetwork", "Architecture")} - KINDS
        architecture = {key: value for key, value in architecture.items() if key not in faulty}
    return Sections(
        _valid(Dataset, tree.get("Dataset", {})),
        _valid(AnyArchitecture, architecture),
        _valid(VariablesOfInterest, network.get("Variables_of_interest")),
        _valid(Training, network.get("Training", {})),
    )


def further(problems: Sequence[Problem], known: Sequence[Problem]) -> list[Problem]:
    """Those problems that are not about a key that is known to be faulty, or its inside."""
    faulty = {_key(fault) for fault in known}
    return [problem for problem in problems if _key(problem) not in faulty]


def _key(problem: Problem) -> tuple[str, ...]:
    """The key inside a section of the network that a problem is about."""
    return tuple(re.split(r"[.\[]", problem.path)[:3])


def _valid(kind: Any, section: Any) -> Any:
    try:
        return _reader(kind).validate_python(section)
    except ValidationError:
        return None


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def problems_in(sections: Sections) -> list[Problem]:
    """Every contradiction between sections, or within one."""
    return [
        problem
        for check, names in CHECKS.items()
        if None not in (parts := [getattr(sections, name) for name in names])
        for problem in check(*parts)
    ]


def warnings_in(config: RunConfig) -> list[str]:
    """What is allowed, but probably not meant."""
    dataset, network = config.dataset, config.neural_network
    architecture, training = network.architecture, network.training
    doubts = {
        "Dataset.lattice has no effect, because "
        f"{ARCHITECTURE}.periodic_boundary_conditions is false": (
            dataset.lattice is not None and not architecture.periodic_boundary_conditions
        ),
        f"{TRAINING}.batch_size has no effect, because global_batch_size is given": (
            training.global_batch_size is not None and "batch_size" in training.model_fields_set
        ),
        f"{ARCHITECTURE}.num_spherical has no effect, because PaiNN knows directions by its "
        "vectors and has no spherical basis": (
            architecture.mpnn_type == "PAINN" and "num_spherical" in architecture.model_fields_set
        ),
        f"{TRAINING}.EarlyStopping cannot stop anything: patience {training.patience} is not "
        f"less than num_epoch {training.num_epoch}": (
            training.early_stopping and training.patience >= training.num_epoch
        ),
    }
    return [text for text, holds in doubts.items() if holds]


def _heads(architecture: Architecture, variables: VariablesOfInterest) -> Iterator[Problem]:
    kinds = variables.type
    if architecture.enable_interatomic_potential and "energy" in potential.roles_of(variables):
        kinds = (kinds[potential.energy_output(variables)],)  # the others are its derivatives
    for kind in dict.fromkeys(kinds):
        if not getattr(architecture.output_heads, kind):
            yield Problem(
                f"{ARCHITECTURE}.output_heads.{kind}",
                f"expected a head, because an output has type {kind!r}; got none",
                "num_headlayers and dim_headlayers describe it",
            )


def _weights(architecture: Architecture, variables: VariablesOfInterest) -> Iterator[Problem]:
    weights, outputs = architecture.task_weights, variables.output_names
    if weights is None:
        return
    if len(weights) != len(outputs):
        yield Problem(
            f"{ARCHITECTURE}.task_weights",
            f"expected {len(outputs)}, one for each output ({', '.join(outputs)}), "
            f"got {len(weights)}",
        )
    elif not any(weights):
        yield Problem(f"{ARCHITECTURE}.task_weights", "expected a weight > 0, got only zeros")


def _columns(
    dataset: Dataset, variables: VariablesOfInterest, architecture: Architecture
) -> Iterator[Problem]:
    """Indices must point at declared features; without a declaration the data decides."""
    of_potential = architecture.enable_interatomic_potential
    columns = sum(dataset.node_features.dim)
    for position, index in enumerate(variables.input_node_features):
        path = f"{VARIABLES}.input_node_features[{position}]"
        yield from _in_range(path, index, "node", dataset.node_features, columns)
    dims = variables.output_dim or (None,) * len(variables.output_names)
    roles = potential.roles_of(variables)
    outputs = zip(variables.output_index, variables.type, dims, roles, strict=True)
    for position, (index, kind, dim, role) in enumerate(outputs):
        if of_potential and (role, kind) == ("energy", "node"):
            continue  # a sum over atoms, whose target is found by its name
        features: Features = getattr(dataset, f"{kind}_features")
        path = f"{VARIABLES}.output_index[{position}]"
        yield from _in_range(path, index, kind, features, len(features.name))
        if dim is not None and index < len(features.dim) and dim != features.dim[index]:
            yield Problem(
                f"{VARIABLES}.output_dim[{position}]",
                f"expected {features.dim[index]}, the columns of {features.name[index]!r} in "
                f"Dataset.{kind}_features, got {dim}",
            )


def _in_range(
    path: str, index: int, kind: str, features: Features, count: int
) -> Iterator[Problem]:
    if features.name and index >= count:
        yield Problem(
            path,
            f"expected an index from 0 to {count - 1} into Dataset.{kind}_features "
            f"({', '.join(features.name)}), got {index}",
        )


def _format(dataset: Dataset) -> Iterator[Problem]:
    if dataset.format not in FORMATS:
        close = nearest(dataset.format, FORMATS)
        yield Problem(
            "Dataset.format",
            f"expected one of {listed(FORMATS)}, got {shown(dataset.format)}",
            f"did you mean {close!r}?" if close else None,
        )


def _graph(dataset: Dataset, architecture: Architecture) -> Iterator[Problem]:
    """Where raw files are turned into graphs, a cutoff is needed, and a lattice for images."""
    paths = (dataset.path.total, dataset.path.train)
    pickled = any(path and path.endswith(".pkl") for path in paths)
    if "path" not in dataset.model_fields_set:
        return
    if architecture.radius is None and architecture.mpnn_type in RADIAL:
        yield Problem(
            f"{ARCHITECTURE}.radius",
            f"expected a number > 0 (Å), because the radial functions of {architecture.mpnn_type} "
            "end there; got none",
        )
        return
    if pickled or dataset.format not in FORMATS:
        return
    known = FORMATS[dataset.format]
    if architecture.radius is None and not known.graphs:
        yield Problem(
            f"{ARCHITECTURE}.radius",
            f"expected a number > 0 (Å), because graphs are built from {dataset.format} files; "
            "got none",
            'a little more than the distance of second neighbours, such as "radius": 5.0',
        )
    if architecture.periodic_boundary_conditions and not known.lattice and dataset.lattice is None:
        yield Problem(
            f"{ARCHITECTURE}.periodic_boundary_conditions",
            f"expected Dataset.lattice, because {dataset.format} files hold no lattice; got none",
            "give three lattice vectors as rows (Å), or a CSV file with one line for each file",
        )


def _limits(architecture: Architecture) -> Iterator[Problem]:
    """What single architectures cannot do."""
    name = architecture.mpnn_type
    if architecture.edge_features and name in NO_EDGE_FEATURES:
        yield Problem(
            f"{ARCHITECTURE}.edge_features",
            f"expected none, because {name} does not see edge features, "
            f"got {shown(architecture.edge_features)}",
        )
    if architecture.equivariance and name not in EQUIVARIANT:
        yield Problem(
            f"{ARCHITECTURE}.equivariance",
            f"expected false, because {name} has no vector features, got true",
            f"{', '.join(sorted(EQUIVARIANT))} have",
        )
    if name == "MFC" and architecture.max_neighbours is None:
        yield Problem(
            f"{ARCHITECTURE}.max_neighbours",
            "expected a number > 0, because MFC has one layer for each number of neighbours; "
            "got none",
        )
    given = getattr(architecture, "correlation", None)
    if isinstance(given, tuple) and len(given) != architecture.num_conv_layers:
        yield Problem(
            f"{ARCHITECTURE}.correlation",
            f"expected a number, or one for each of {architecture.num_conv_layers} layers, "
            f"got {len(given)}",
        )


def _elements(
    dataset: Dataset, architecture: Architecture, variables: VariablesOfInterest
) -> Iterator[Problem]:
    """MACE knows nodes by their element and by nothing else."""
    if architecture.mpnn_type != "MACE":
        return
    expected = "because MACE has weights by element"
    columns = variables.input_node_features
    if len(columns) > 1:
        yield Problem(
            f"{VARIABLES}.input_node_features",
            f"expected the atomic number alone, {expected}, got {len(columns)} columns",
        )
    if dataset.descriptors.AtomicDescriptors:
        yield Problem(
            "Dataset.Descriptors.AtomicDescriptors",
            f"expected none, {expected}, got {shown(dataset.descriptors.AtomicDescriptors)}",
        )


def _vectors(architecture: Architecture, variables: VariablesOfInterest) -> Iterator[Problem]:
    """Outputs that turn with the structure need vectors that do."""
    for index, symmetry in enumerate(variables.output_symmetry or ()):
        if symmetry != "scalar" and not architecture.has_vectors:
            name = architecture.mpnn_type
            hint = "equivariance: true gives it some" if name in WITH_POSITIONS else None
            yield Problem(
                f"{VARIABLES}.output_symmetry[{index}]",
                f"expected scalar, because {name} has no vectors here; got {symmetry}",
                hint or "scalars are predicted as columns that do not turn with the structure",
            )


def _conditioning(
    dataset: Dataset, architecture: Architecture, variables: VariablesOfInterest
) -> Iterator[Problem]:
    """Attributes must be declared; `fuse_pool` needs something pooled."""
    names = dataset.graph_features.name
    for position, index in enumerate(variables.graph_attr_features):
        path = f"{VARIABLES}.graph_attr_features[{position}]"
        yield from _in_range(path, index, "graph", dataset.graph_features, len(names))
    if not architecture.use_graph_attr_conditioning:
        return
    if names and not variables.graph_attr_features:
        yield Problem(
            f"{VARIABLES}.graph_attr_features",
            "expected at least one index in Dataset.graph_features, because "
            "use_graph_attr_conditioning is true; got none",
        )
    if architecture.graph_attr_conditioning_mode == "fuse_pool" and "graph" not in variables.type:
        yield Problem(
            f"{ARCHITECTURE}.graph_attr_conditioning_mode",
            "expected concat_node or film, because no output is pooled; got fuse_pool",
        )


def _descriptors(dataset: Dataset, architecture: Architecture) -> Iterator[Problem]:
    """Descriptors of edges are edge features."""
    reasons = {
        f"{architecture.mpnn_type} does not see edge features": (
            architecture.mpnn_type in NO_EDGE_FEATURES
        ),
        "forces follow from the positions": architecture.enable_interatomic_potential,
    }
    for name in ("SphericalCoordinates", "PointPairFeatures"):
        for reason, holds in reasons.items():
            if holds and getattr(dataset.descriptors, name):
                path = f"Dataset.Descriptors.{name}"
                yield Problem(path, f"expected false, because {reason}; got true")


def _branches(dataset: Dataset, architecture: Architecture) -> Iterator[Problem]:
    """Each data set needs a branch, and each branch its head of every kind."""
    heads = architecture.output_heads
    for kind in ("graph", "node"):
        names = [branch.type for branch in getattr(heads, kind)]
        for source, branch in dataset.branches.items():
            if len(names) > 1 and branch not in names:
                yield Problem(
                    f"Dataset.branches.{source}",
                    f"expected one of {', '.join(names)}, the branches of output_heads.{kind}, "
                    f"got {branch}",
                )
    paths = (dataset.path.total, dataset.path.train)
    pickled = any(path and path.endswith(".pkl") for path in paths) or dataset.format == "pickle"
    several = max(len(heads.graph), len(heads.node)) > 1
    if several and not dataset.branches and not pickled and "path" in dataset.model_fields_set:
        yield Problem(
            "Dataset.branches",
            "expected the branch of each data set, because there are several; got none",
            'such as {"folder_or_file": "branch-0", "*": "branch-1"}',
        )


def _start(training: Training) -> Iterator[Problem]:
    if training.continue_ and training.startfrom == "new_model":
        yield Problem(
            f"{TRAINING}.startfrom",
            "got new_model, which contradicts continue = 1",
            "name the run to continue from, or write continue: 0",
        )


# check → the sections that it compares
CHECKS: dict[Callable[..., Iterator[Problem]], tuple[str, ...]] = {
    _heads: ("architecture", "variables"),
    _weights: ("architecture", "variables"),
    _columns: ("dataset", "variables", "architecture"),
    _format: ("dataset",),
    _graph: ("dataset", "architecture"),
    attention.problems_of: ("architecture",),
    _limits: ("architecture",),
    _elements: ("dataset", "architecture", "variables"),
    _vectors: ("architecture", "variables"),
    _conditioning: ("dataset", "architecture", "variables"),
    _descriptors: ("dataset", "architecture"),
    _branches: ("dataset", "architecture"),
    _start: ("training",),
    potential.problems_of: ("dataset", "architecture", "variables", "training"),
}
