"""The whole config of a graph workload: HydraGNN's JSON as frozen models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hydria.config.architectures import AnyArchitecture
from hydria.config.base import Count, Frozen
from hydria.config.dataset import Dataset, VariablesOfInterest
from hydria.config.job import JobConfig
from hydria.config.potential import PotentialOptions
from hydria.config.training import Training


class Verbosity(Frozen):
    """How much is printed."""

    level: Annotated[int, Field(ge=0, le=4, strict=True)] = 1
    """0 nothing; 1 rank 0; 2 rank 0 with progress bars; 3 all ranks; 4 all with bars."""


class Visualization(Frozen):
    """Which plots the report holds beside the standard ones."""

    create_plots: bool = True
    """Draw plots."""
    plot_init_solution: bool = False
    """Predictions before training too."""
    plot_hist_solution: bool = False
    """Predictions of every epoch too."""


class NeuralNetwork(Frozen):
    """Model, variables and training."""

    architecture: AnyArchitecture = Field(alias="Architecture")
    """Kind and size of the graph neural network; mpnn_type is the kind."""
    variables_of_interest: VariablesOfInterest = Field(alias="Variables_of_interest")
    """Which features go in and which come out: output_names, output_index and type."""
    training: Training = Field(Training(), alias="Training")
    """How the model is trained."""
    potential: PotentialOptions = Field(PotentialOptions(), alias="Potential")
    """What an interatomic potential is made of beside its network."""
    ds_config: dict[str, Any] | None = None
    """DeepSpeed's own settings."""


class RunConfig(Frozen):
    """A config as resolved from file, overrides and defaults."""

    workload: Literal["property"] = "property"
    """What is trained; `property`: graph and node properties of structures."""
    devices: Count = 1
    """Ranks that `hydria train` starts here when no launcher did."""
    verbosity: Verbosity = Field(Verbosity(), alias="Verbosity")
    """How much is printed."""
    dataset: Dataset = Field(Dataset(), alias="Dataset")
    """What data to read, and how to cut it into sets."""
    neural_network: NeuralNetwork = Field(alias="NeuralNetwork")
    """The sections Architecture, Variables_of_interest and Training."""
    visualization: Visualization = Field(Visualization(), alias="Visualization")
    """Which plots the report holds beside the standard ones."""
    job: JobConfig | None = Field(None, alias="Job")
    """What a job asks of a machine; flags of `hydria job` override it."""

    @property
    def is_potential(self) -> bool:
        """Whether forces follow from the energy."""
        return self.neural_network.architecture.enable_interatomic_potential
