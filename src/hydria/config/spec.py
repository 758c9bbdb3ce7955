"""From a config and the facts of its data to the full description of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hydria.config.architectures import AnyArchitecture
from hydria.config.base import Frozen
from hydria.config.dataset import VariablesOfInterest
from hydria.config.not_yet import not_yet
from hydria.config.run import RunConfig
from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError, Problem


class HeadSpec(Frozen):
    """One output of a model."""

    name: str
    kind: Literal["graph", "node"]
    dim: int
    """Columns of the target; with a Gaussian likelihood the model gives twice as many."""
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


def resolve(config: RunConfig, summary: DataSummary) -> ModelSpec:
    """Join what was asked for with what was measured.

    Raises:
        ConfigError: if config and data contradict each other, or this version cannot train it.
    """
    network = config.neural_network
    variables = network.variables_of_interest
    problems = [*not_yet(config), *_output_dims(variables, summary), *_positions(config, summary)]
    if problems:
        raise ConfigError(problems)
    count = len(variables.output_names)
    weights = network.architecture.task_weights or (1.0,) * count
    total = sum(weights)
    heads = tuple(
        HeadSpec(name=name, kind=kind, dim=dim, weight=weight / total)
        for name, kind, dim, weight in zip(
            variables.output_names, variables.type, summary.output_dim, weights, strict=True
        )
    )
    return ModelSpec(
        architecture=network.architecture,
        heads=heads,
        input_dim=summary.input_dim,
        edge_dim=summary.edge_dim,
        num_nodes=summary.num_nodes,
        pna_deg=summary.pna_deg,
        avg_num_neighbors=summary.avg_num_neighbors,
        gaussian_nll=network.training.loss_function_type == "GaussianNLLLoss",
        precision=network.training.precision,
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
