"""From a config and the facts of its data to the full description of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from hydria.config.architectures import AnyArchitecture
from hydria.config.base import Frozen
from hydria.config.dataset import Symmetry, VariablesOfInterest
from hydria.config.not_yet import not_yet
from hydria.config.potential import PotentialSpec, energy_output
from hydria.config.run import NeuralNetwork, RunConfig
from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError, Problem

# columns of what turns with the structure
SYMMETRIC_DIMS = {"vector": 3, "tensor": 9}
# options of an architecture that steer training and leave the model as it is
STEERING = {
    "freeze_conv_layers",
    "initial_bias",
    "task_weights",
    "energy_weight",
    "energy_peratom_weight",
    "force_weight",
    "stress_weight",
}


class HeadSpec(Frozen):
    """One output of a model."""

    name: str
    kind: Literal["graph", "node"]
    dim: int
    """Columns of the target; with a Gaussian likelihood the model gives twice as many."""
    symmetry: Symmetry = "scalar"
    """How it turns with the structure."""
    weight: float
    """Share in the loss; the weights of all heads add up to one."""


class ModelSpec(Frozen):
    """Everything that is needed to build a model again; stored with each checkpoint."""

    architecture: AnyArchitecture
    heads: tuple[HeadSpec, ...]
    input_dim: int
    edge_dim: int
    num_nodes: int | None
    pna_deg: tuple[int, ...]
    avg_num_neighbors: float
    gaussian_nll: bool
    precision: str
    graph_attr_dim: int = 0
    uncertainty_weighting: bool = False
    redraw_interval: int = 1000
    potential: PotentialSpec | None = None

    @property
    def smooth(self) -> bool:
        """Whether the energy is to be a smooth function of the positions."""
        return self.potential is not None and self.potential.smooth

    @property
    def facts(self) -> dict[str, Any]:
        """What models must have in common for weights to mean the same in one as in the other.

        What steers training is not among it, nor what was measured on the data and is not used,
        or comes with the weights.
        """
        unused = {"pna_deg", "redraw_interval"}
        if not self.smooth and self.architecture.mpnn_type != "MACE":
            unused.add("avg_num_neighbors")
        branches = self.architecture.output_heads.node
        if all(branch.architecture.type != "mlp_per_node" for branch in branches):
            unused.add("num_nodes")
        exclude: dict[str, Any] = dict.fromkeys(unused, True)
        exclude |= {"architecture": STEERING, "heads": {"__all__": {"weight"}}}
        return self.model_dump(mode="json", exclude=exclude)


def resolve(config: RunConfig, summary: DataSummary) -> ModelSpec:
    """Join what was asked for with what was measured.

    Raises:
        ConfigError: if config and data contradict each other, or this version cannot train it.
    """
    network = config.neural_network
    variables = network.variables_of_interest
    symmetries: tuple[Symmetry, ...] = ()
    if not config.is_potential:
        symmetries = output_symmetries(network, summary.output_dim)
    problems = [
        *not_yet(config),
        *_positions(config, summary),
        *_attributes(config, summary),
    ]
    if not config.is_potential:
        problems += _output_dims(variables, summary)
        problems += _turning(config, symmetries, summary.output_dim)
    if problems:
        raise ConfigError(problems)
    return ModelSpec(
        architecture=network.architecture,
        heads=(
            (energy_head(variables),)
            if config.is_potential
            else _heads(network, summary.output_dim, symmetries)
        ),
        input_dim=summary.input_dim,
        edge_dim=(
            len(network.architecture.edge_features) if config.is_potential else summary.edge_dim
        ),
        num_nodes=summary.num_nodes,
        pna_deg=summary.pna_deg,
        avg_num_neighbors=summary.avg_num_neighbors,
        gaussian_nll=network.training.loss_function_type == "GaussianNLLLoss",
        precision=network.training.precision,
        graph_attr_dim=summary.graph_attr_dim,
        uncertainty_weighting=network.training.uncertainty_weighting,
        redraw_interval=network.training.global_attn_redraw_interval,
        potential=_potential(config, summary) if config.is_potential else None,
    )


def _heads(
    network: NeuralNetwork, dims: Sequence[int], symmetries: Sequence[Symmetry]
) -> tuple[HeadSpec, ...]:
    variables = network.variables_of_interest
    weights = network.architecture.task_weights or (1.0,) * len(variables.output_names)
    total = sum(weights)
    return tuple(
        HeadSpec(name=name, kind=kind, dim=dim, symmetry=symmetry, weight=weight / total)
        for name, kind, dim, symmetry, weight in zip(
            variables.output_names, variables.type, dims, symmetries, weights, strict=True
        )
    )


def energy_head(variables: VariablesOfInterest) -> HeadSpec:
    """The only head of a potential; forces and stress are its derivatives."""
    place = energy_output(variables)
    name, kind = variables.output_names[place], variables.type[place]
    return HeadSpec(name=name, kind=kind, dim=1, weight=1.0)


def _potential(config: RunConfig, summary: DataSummary) -> PotentialSpec:
    options = config.neural_network.potential
    given, fitted = options.reference_energies, summary.fitted_energies
    if isinstance(given, dict):
        missing = [symbol for symbol in fitted if symbol not in given]
        if missing:
            raise ConfigError(
                [
                    Problem(
                        "NeuralNetwork.Potential.reference_energies",
                        f"expected an energy for each element of the training set, got none for "
                        f"{', '.join(missing)}",
                    )
                ]
            )
        energies = {symbol: given[symbol] for symbol in fitted}
    else:
        energies = {symbol: fitted[symbol] * (given == "fit") for symbol in fitted}
    return PotentialSpec(
        energy_kind=energy_head(config.neural_network.variables_of_interest).kind,
        reference_energies=energies,
        scale=(summary.force_rms if options.scale_by_forces else None) or 1.0,
        short_range=options.short_range,
        smooth=options.smooth,
    )


def output_symmetries(network: NeuralNetwork, dims: Sequence[int]) -> tuple[Symmetry, ...]:
    """How each output turns with the structure, as asked for or by default.

    Args:
        network: the section.
        dims: columns of each output.
    """
    variables = network.variables_of_interest
    if variables.output_symmetry is not None:
        return variables.output_symmetry
    vectors = network.architecture.has_vectors
    return tuple(
        "vector" if vectors and kind == "node" and dim == 3 else "scalar"
        for kind, dim in zip(variables.type, dims, strict=True)
    )


def _turning(
    config: RunConfig, symmetries: Sequence[Symmetry], dims: Sequence[int]
) -> Iterator[Problem]:
    """What outputs that turn with the structure need."""
    network, variables = config.neural_network, config.neural_network.variables_of_interest
    for index, (symmetry, dim) in enumerate(zip(symmetries, dims, strict=True)):
        columns = SYMMETRIC_DIMS.get(symmetry, dim)
        if dim != columns:
            yield Problem(
                f"NeuralNetwork.Variables_of_interest.output_symmetry[{index}]",
                f"expected scalar, because {variables.output_names[index]!r} has {dim} columns "
                f"and a {symmetry} has {columns}; got {symmetry}",
            )
    if all(symmetry == "scalar" for symmetry in symmetries):
        return
    kinds = {kind for kind, s in zip(variables.type, symmetries, strict=True) if s != "scalar"}
    if network.architecture.graph_pooling == "max" and "graph" in kinds:
        yield Problem(
            "NeuralNetwork.Architecture.graph_pooling",
            "expected mean or add, because the largest components of vectors do not turn with the "
            "structure; got max",
        )
    if config.dataset.rotational_invariance:
        yield Problem(
            "Dataset.rotational_invariance",
            "expected false, because it turns structures and not their vectors; got true",
        )


def _attributes(config: RunConfig, summary: DataSummary) -> Iterator[Problem]:
    conditions = config.neural_network.architecture.use_graph_attr_conditioning
    if conditions and summary.graph_attr_dim == 0:
        yield Problem(
            "NeuralNetwork.Architecture.use_graph_attr_conditioning",
            "expected data with attributes of graphs (graph_attr), got none",
            "Variables_of_interest.graph_attr_features names them",
        )


def _output_dims(variables: VariablesOfInterest, summary: DataSummary) -> Iterator[Problem]:
    asked = variables.output_dim or summary.output_dim
    for index, (name, want, have) in enumerate(
        zip(variables.output_names, asked, summary.output_dim, strict=True)
    ):
        if want != have:
            yield Problem(
                f"NeuralNetwork.Variables_of_interest.output_dim[{index}]",
                f"expected {have}, the columns of {name!r} in the data, got {want}",
            )


def _positions(config: RunConfig, summary: DataSummary) -> Iterator[Problem]:
    branches = config.neural_network.architecture.output_heads.node
    kinds = {branch.architecture.type for branch in branches}
    if "mlp_per_node" in kinds and summary.num_nodes is None:
        yield Problem(
            "NeuralNetwork.Architecture.output_heads.node",
            "expected type mlp or conv, because the graphs have different numbers of nodes; "
            "got mlp_per_node",
        )
