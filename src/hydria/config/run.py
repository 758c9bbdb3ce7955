"""The whole config of a graph workload: HydraGNN's JSON as frozen models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PositiveInt, model_validator

from hydria.config.architectures import AnyArchitecture
from hydria.config.base import Frozen
from hydria.config.dataset import Dataset, VariablesOfInterest
from hydria.config.job import JobConfig
from hydria.config.training import Training


class Verbosity(Frozen):
    """How much is printed."""

    level: Annotated[int, Field(ge=0, le=4)] = 1
    """0 nothing; 1 rank 0; 2 rank 0 with progress bars; 3 all ranks; 4 all with bars."""


class Visualization(Frozen):
    """Which plots the report holds beside the standard ones."""

    create_plots: bool = True
    plot_init_solution: bool = False
    """Predictions before training too."""
    plot_hist_solution: bool = False
    """Predictions of every epoch too."""


class NeuralNetwork(Frozen):
    """Model, variables and training."""

    architecture: AnyArchitecture = Field(alias="Architecture")
    variables_of_interest: VariablesOfInterest = Field(alias="Variables_of_interest")
    training: Training = Field(Training(), alias="Training")
    ds_config: dict[str, Any] | None = None
    """DeepSpeed's own settings."""

    @model_validator(mode="after")
    def _heads_for_outputs(self) -> NeuralNetwork:
        heads = self.architecture.output_heads
        for kind in dict.fromkeys(self.variables_of_interest.type):
            if not getattr(heads, kind):
                raise ValueError(
                    f"expected Architecture.output_heads.{kind}, because an output has type "
                    f"{kind!r}; got none"
                )
        weights = self.architecture.task_weights
        outputs = self.variables_of_interest.output_names
        if weights is not None and len(weights) != len(outputs):
            raise ValueError(
                f"expected {len(outputs)} task_weights, one for each output "
                f"({', '.join(outputs)}), got {len(weights)}"
            )
        return self


class RunConfig(Frozen):
    """A config as resolved from file, overrides and defaults."""

    workload: str = "property"
    """What is trained; `property`: graph and node properties of structures."""
    devices: PositiveInt = 1
    """Ranks that `hydria train` starts here when no launcher did."""
    verbosity: Verbosity = Field(Verbosity(), alias="Verbosity")
    dataset: Dataset = Field(Dataset(), alias="Dataset")
    neural_network: NeuralNetwork = Field(alias="NeuralNetwork")
    visualization: Visualization = Field(Visualization(), alias="Visualization")
    job: JobConfig | None = Field(None, alias="Job")
