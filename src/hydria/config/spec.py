"""From a config and the facts of its data to the full description of a model."""

from __future__ import annotations

from typing import Literal

from hydria.config.architectures import AnyArchitecture
from hydria.config.base import Frozen
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
        ConfigError: if an output's `output_dim` contradicts the data.
    """
    network = config.neural_network
    variables = network.variables_of_interest
    _check_output_dims(variables.output_names, variables.output_dim, summary.output_dim)
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


def _check_output_dims(
    names: tuple[str, ...], asked: tuple[int, ...] | None, measured: tuple[int, ...]
) -> None:
    problems = [
        Problem(
            f"NeuralNetwork.Variables_of_interest.output_dim[{index}]",
            f"expected {have}, the columns of {name!r} in the data, got {want}",
        )
        for index, (name, want, have) in enumerate(
            zip(names, asked or measured, measured, strict=True)
        )
        if want != have
    ]
    if problems:
        raise ConfigError(problems)
