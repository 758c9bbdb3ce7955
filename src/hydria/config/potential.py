"""Interatomic potentials: their options, which data they are fitted to, what their losses weigh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints

from hydria.config.architectures.base import Architecture
from hydria.config.base import Frozen, Real, described, shown
from hydria.config.dataset import Dataset, Features, VariablesOfInterest
from hydria.config.training import Training
from hydria.core.errors import Problem, listed

ARCHITECTURE = "NeuralNetwork.Architecture"
VARIABLES = "NeuralNetwork.Variables_of_interest"
TRAINING = "NeuralNetwork.Training"

# Names that data sets give to what a potential is fitted to; the first is ours.
ENERGY = ("energy", "total_energy", "free_energy", "graph_energy")
FORCES = ("forces", "force", "node_forces")
STRESS = ("stress",)
NUMBERS = ("atomic_numbers", "atomic_number", "numbers", "num_of_protons", "Z", "z")
COLUMNS = {"energy": 1, "forces": 3, "stress": 6}

# Architectures that never see a distance, and those that see one as a feature of the edge only.
TOPOLOGY_ONLY = frozenset({"GIN", "SAGE", "MFC"})
LENGTHS_ONLY = frozenset({"PNA", "GAT", "CGCNN"})


Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z][a-z]?$")]


class PotentialOptions(Frozen):
    """What an interatomic potential is made of beside its network."""

    reference_energies: Annotated[
        dict[Symbol, Real] | Literal["fit", "zero"],
        described('"fit", "zero", or the energy of each element (eV), such as {"Si": -5.4}'),
    ] = "fit"
    """Energy of an atom of each element, eV; by default fitted to the training set."""
    scale_by_forces: bool = True
    """Multiply what the network gives by the root mean square of the training forces."""
    short_range: Literal["ZBL"] | None = None
    """Screened nuclear repulsion (Ziegler, Biersack, Littmark) below the sum of covalent radii."""
    smooth: bool = True
    """Fade messages out towards the cutoff, and use smooth activations only."""


class LossWeights(NamedTuple):
    """What the terms of the loss weigh."""

    energy: float
    """Of the square (or another loss) of the error in the energy of a structure, eV."""
    energy_per_atom: float
    """The same of the energy divided by the number of atoms."""
    forces: float
    """Of the components of the forces, eV/Å."""
    stress: float
    """Of the six components of the stress, eV/Å³."""


# what counts when a config gives no weight at all
DEFAULT_WEIGHTS = LossWeights(energy=0.0, energy_per_atom=1.0, forces=10.0, stress=0.0)


def loss_weights(architecture: Architecture, variables: VariablesOfInterest) -> LossWeights:
    """The weights at the beginning of training.

    Without any of the four, `task_weights` of the outputs energy and forces count; without these,
    the defaults.
    """
    given = LossWeights(
        architecture.energy_weight,
        architecture.energy_peratom_weight,
        architecture.force_weight,
        architecture.stress_weight,
    )
    if any(given):
        return given
    roles = roles_of(variables)
    weights = architecture.task_weights
    if weights is None or set(roles) == {"energy"} or len(weights) != len(roles):
        return DEFAULT_WEIGHTS
    by_role = dict(zip(roles, weights, strict=True))
    return LossWeights(
        0.0, by_role.get("energy", 0.0), by_role.get("forces", 0.0), by_role.get("stress", 0.0)
    )


def stage_weights(
    architecture: Architecture, variables: VariablesOfInterest, training: Training
) -> list[LossWeights]:
    """The weights of each stage of the training, the first one included."""
    stages = [loss_weights(architecture, variables)]
    for stage in training.stages:
        changed = {
            "energy": stage.energy_weight,
            "energy_per_atom": stage.energy_peratom_weight,
            "forces": stage.force_weight,
            "stress": stage.stress_weight,
        }
        given = {name: value for name, value in changed.items() if value is not None}
        stages.append(stages[-1]._replace(**given))
    return stages


@dataclass(frozen=True)
class Targets:
    """Names of the features that a potential is fitted to; None for what the data lacks."""

    energy: str | None
    forces: str | None
    stress: str | None


def roles_of(variables: VariablesOfInterest) -> tuple[str | None, ...]:
    """What each output is to a potential: energy, forces, stress, or None for what it cannot be."""
    return tuple(
        _role(name, kind, index, variables)
        for index, (name, kind) in enumerate(
            zip(variables.output_names, variables.type, strict=True)
        )
    )


def _role(name: str, kind: str, index: int, variables: VariablesOfInterest) -> str | None:
    dim = (variables.output_dim or (None,) * (index + 1))[index]
    if kind == "node" and (name in FORCES or dim == COLUMNS["forces"]):
        return "forces"
    if kind == "graph" and (name in STRESS or dim == COLUMNS["stress"]):
        return "stress"
    return "energy" if dim in (None, COLUMNS["energy"]) else None


def energy_output(variables: VariablesOfInterest) -> int:
    """The number of the output that is the energy."""
    return roles_of(variables).index("energy")


def targets_of(dataset: Dataset, variables: VariablesOfInterest) -> Targets:
    """The features of the data behind energy, forces and stress.

    An output of its own kind points at its feature by `output_index`; all else goes by name.
    """
    graph, node = dataset.graph_features, dataset.node_features
    found = {
        "energy": _named(graph, ENERGY),
        "forces": _named(node, FORCES),
        "stress": _named(graph, STRESS),
    }
    for role, kind, index in zip(
        roles_of(variables), variables.type, variables.output_index, strict=True
    ):
        features: Features = getattr(dataset, f"{kind}_features")
        # an energy summed over nodes has its target among the features of the graphs
        own_kind = role is not None and (role, kind) != ("energy", "node")
        if own_kind and role is not None and index < len(features.name):
            found[role] = features.name[index]
    return Targets(**found)


def _named(features: Features, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in features.name), None)


def problems_of(
    dataset: Dataset,
    architecture: Architecture,
    variables: VariablesOfInterest,
    training: Training,
) -> Iterator[Problem]:
    """What contradicts an interatomic potential, where one is asked for."""
    if not architecture.enable_interatomic_potential:
        return
    yield from _architecture(architecture, variables)
    yield from _outputs(variables)
    yield from _features(dataset, architecture, variables, training)
    yield from _training(architecture, variables, training)


def _architecture(architecture: Architecture, variables: VariablesOfInterest) -> Iterator[Problem]:
    name = architecture.mpnn_type
    if name in TOPOLOGY_ONLY:
        yield Problem(
            f"{ARCHITECTURE}.mpnn_type",
            f"expected an architecture that sees distances, because forces are the gradient of the "
            f"energy with respect to the positions; got {name}",
            "PAINN, MACE, SchNet, EGNN and others do",
        )
    if (
        name in LENGTHS_ONLY
        and "lengths" not in architecture.edge_features
        and not getattr(architecture, "num_gaussians", None)
    ):
        yield Problem(
            f"{ARCHITECTURE}.edge_features",
            f'expected ["lengths"], because {name} sees distances as features of edges only, and '
            f"forces follow from them; got {shown(architecture.edge_features)}",
        )
    if architecture.radius is None:
        yield Problem(
            f"{ARCHITECTURE}.radius",
            "expected a number > 0 (Å), because a potential ends somewhere; got none",
        )
    if "bond_order" in architecture.edge_features:
        yield Problem(
            f"{ARCHITECTURE}.edge_features",
            'expected ["lengths"] or none, because bonds do not change with the positions; '
            f"got {shown(architecture.edge_features)}",
        )
    yield from _heads(architecture, variables)
    if architecture.global_attn_engine is not None:
        yield Problem(
            f"{ARCHITECTURE}.global_attn_engine",
            "expected none, because attention between all atoms of a cell depends on the choice of "
            f"the cell; got {architecture.global_attn_engine}",
        )
    if architecture.use_graph_attr_conditioning:
        yield Problem(
            f"{ARCHITECTURE}.use_graph_attr_conditioning",
            "expected false, because the energy of a potential follows from the atoms alone; "
            "got true",
        )


def _heads(architecture: Architecture, variables: VariablesOfInterest) -> Iterator[Problem]:
    roles = roles_of(variables)
    kind = variables.type[roles.index("energy")] if "energy" in roles else None
    if kind == "graph" and architecture.graph_pooling == "max":
        yield Problem(
            f"{ARCHITECTURE}.graph_pooling",
            "expected add, or mean for an energy per atom, because the energy of a potential "
            "grows with the number of atoms; got max",
            "or give the energy the type node: it is then a sum over atoms",
        )
    for branch in architecture.output_heads.node if kind == "node" else ():
        reason = {
            "mlp_per_node": "the energy would depend on the order of the atoms",
            "conv": "its batch norm would mix the structures of a batch",
        }.get(branch.architecture.type)
        if reason:
            yield Problem(
                f"{ARCHITECTURE}.output_heads.node.type",
                f"expected mlp, because {reason}; got {branch.architecture.type}",
            )


def _outputs(variables: VariablesOfInterest) -> Iterator[Problem]:
    roles = roles_of(variables)
    if roles.count("energy") != 1 or len(set(roles)) != len(roles) or None in roles:
        yield Problem(
            f"{VARIABLES}.output_names",
            "expected one energy, and at most forces (type node, 3 columns) and stress (type "
            f"graph, 6 columns) beside it, because a potential predicts no other outputs; "
            f"got {shown(variables.output_names)}",
        )


def _features(
    dataset: Dataset,
    architecture: Architecture,
    variables: VariablesOfInterest,
    training: Training,
) -> Iterator[Problem]:
    """Data that are described must hold what is fitted; undescribed ones tell later."""
    described_ = bool(dataset.graph_features.name or dataset.node_features.name)
    if not described_:
        return
    targets = targets_of(dataset, variables)
    weights = stage_weights(architecture, variables, training)
    needed = {
        "energy": True,
        "forces": any(stage.forces for stage in weights),
        "stress": any(stage.stress for stage in weights),
    }
    for role, names in {"energy": ENERGY, "forces": FORCES, "stress": STRESS}.items():
        section = "node_features" if role == "forces" else "graph_features"
        features: Features = getattr(dataset, section)
        name = getattr(targets, role)
        if name is None:
            if needed[role]:
                weight = "" if role == "energy" else f", because {WEIGHT_OF[role]} is not 0"
                yield Problem(
                    f"Dataset.{section}",
                    f"expected {names[0]!r} ({COLUMNS[role]} "
                    f"column{'s' if COLUMNS[role] > 1 else ''}){weight}; got "
                    f"{listed(features.name) if features.name else 'none'}",
                )
            continue
        dim = features.dim[features.name.index(name)]
        if dim != COLUMNS[role]:
            yield Problem(
                f"Dataset.{section}.dim",
                f"expected {COLUMNS[role]} for {name!r}, the {role} of a potential; got {dim}",
            )
        if "_scaled_num_nodes" in name:
            yield Problem(
                f"Dataset.{section}",
                f"expected the energy of a structure, whose gradient forces are; got {name!r}",
                f"{name.replace('_scaled_num_nodes', '')!r} is not divided by the number of atoms",
            )
    yield from _inputs(dataset, variables)


WEIGHT_OF = {"forces": "force_weight", "stress": "stress_weight"}


def _inputs(dataset: Dataset, variables: VariablesOfInterest) -> Iterator[Problem]:
    """Only what follows from the elements goes in: who uses the potential has nothing else."""
    features = dataset.node_features
    owners = [
        name for name, dim in zip(features.name, features.dim, strict=True) for _ in range(dim)
    ]
    for place, column in enumerate(variables.input_node_features):
        if column < len(owners) and owners[column] not in NUMBERS:
            yield Problem(
                f"{VARIABLES}.input_node_features[{place}]",
                "expected the atomic number, because nothing else is known of the atoms a "
                f"potential is used on; got {owners[column]!r}",
                "Dataset.Descriptors.AtomicDescriptors adds properties of the elements",
            )


def _training(
    architecture: Architecture, variables: VariablesOfInterest, training: Training
) -> Iterator[Problem]:
    if training.loss_function_type == "GaussianNLLLoss":
        yield Problem(
            f"{TRAINING}.loss_function_type",
            "expected mse, mae, rmse, huber or smooth_l1, because forces follow from one energy, "
            "not from a distribution; got GaussianNLLLoss",
        )
    if training.uncertainty_weighting:
        yield Problem(
            f"{TRAINING}.uncertainty_weighting",
            "expected false, because the terms of a potential have weights of their own; got true",
        )
    if training.precision == "bf16":
        yield Problem(
            f"{TRAINING}.precision",
            "expected fp32 or fp64, because gradients lose their digits in bf16; got bf16",
        )
    yield from _stages(training)
    if not any(any(stage) for stage in stage_weights(architecture, variables, training)):
        yield Problem(f"{ARCHITECTURE}.energy_weight", "expected a weight > 0, got only zeros")


def _stages(training: Training) -> Iterator[Problem]:
    epochs = [stage.epoch for stage in training.stages]
    if any(b <= a for a, b in zip([0, *epochs], epochs, strict=False)):
        yield Problem(
            f"{TRAINING}.stages", f"expected epochs that rise from 1 on, got {shown(epochs)}"
        )


class PotentialSpec(Frozen):
    """What is needed to build the potential around a network again."""

    energy_kind: Literal["graph", "node"]
    reference_energies: dict[str, float]
    """Symbol → eV; elements that are not here were not seen in training."""
    scale: float = Field(gt=0)
    """What the output of the network is multiplied by, eV."""
    short_range: Literal["ZBL"] | None
    smooth: bool
