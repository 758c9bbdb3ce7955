"""The `Dataset` section: where raw data lies and what its columns mean."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from hydria.config.base import Frozen

Row = tuple[float, float, float]


class DataPath(Frozen):
    """One folder or file that is split by fraction, or one for each set."""

    total: str | None = None
    train: str | None = None
    validation: str | None = Field(None, alias="validate")
    test: str | None = None

    @model_validator(mode="after")
    def _total_or_three(self) -> DataPath:
        given = (self.train, self.validation, self.test)
        if (self.total is None) == (None in given) and not (self.total and not any(given)):
            raise ValueError("expected either 'total', or all of 'train', 'validate' and 'test'")
        return self


class Features(Frozen):
    """Columns of the raw data, by name."""

    name: tuple[str, ...] = ()
    dim: tuple[PositiveInt, ...] = ()
    """Number of columns of each feature."""
    column_index: tuple[NonNegativeInt, ...] = ()
    """First column of each feature in the raw files."""

    @model_validator(mode="before")
    @classmethod
    def _one_column_each(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") is not None:
            count = len(value["name"])
            value = {"dim": [1] * count, "column_index": list(range(count)), **value}
        return value

    @model_validator(mode="after")
    def _same_length(self) -> Features:
        lengths = {len(self.name), len(self.dim), len(self.column_index)}
        if len(lengths) > 1:
            raise ValueError(
                "expected name, dim and column_index of one length, got "
                f"{len(self.name)}, {len(self.dim)} and {len(self.column_index)}"
            )
        return self


class Descriptors(Frozen):
    """Edge descriptors of upstream."""

    SphericalCoordinates: bool = False
    PointPairFeatures: bool = False


class Dataset(Frozen):
    """What data to read, and how to cut it into sets."""

    name: str = Field("dataset", pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    format: str = "LSMS"
    path: DataPath = DataPath(total="dataset")
    node_features: Features = Features()
    graph_features: Features = Features()
    lattice: tuple[Row, Row, Row] | str | None = None
    """Lattice vectors as rows, Å, of all structures; or a CSV file (name, 9 numbers, pbc)."""
    compositional_stratified_splitting: bool = False
    """Represent each composition in all three sets."""
    rotational_invariance: bool = False
    """Turn every structure into its principal axes."""
    normalize_features: bool = True
    """Scale features and targets by their minimum and maximum."""
    normalization_range: tuple[float, float] = (0.0, 1.0)
    """Range that minimum and maximum are mapped to: [0, 1] or [-1, 1]."""
    descriptors: Descriptors = Field(Descriptors(), alias="Descriptors")

    @field_validator("normalization_range")
    @classmethod
    def _known_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value not in ((0.0, 1.0), (-1.0, 1.0)):
            raise ValueError(f"expected [0, 1] or [-1, 1], got {list(value)}")
        return value


class VariablesOfInterest(Frozen):
    """Which features go in and which come out."""

    input_node_features: tuple[NonNegativeInt, ...] = (0,)
    """Indices into Dataset.node_features."""
    output_names: tuple[str, ...]
    output_index: tuple[NonNegativeInt, ...]
    """Index of each output in Dataset.graph_features or Dataset.node_features."""
    type: tuple[Literal["graph", "node"], ...]
    output_dim: tuple[PositiveInt, ...] | None = None
    """Columns of each output; taken from the features when left out."""
    denormalize_output: bool = False
    """Report errors and predictions in the units of the data."""
    subsample_percentage: float | None = Field(None, gt=0, le=1)
    """Part of the data to use, drawn evenly over compositions."""

    @model_validator(mode="after")
    def _same_length(self) -> VariablesOfInterest:
        lengths = [len(self.output_names), len(self.output_index), len(self.type)]
        if self.output_dim is not None:
            lengths.append(len(self.output_dim))
        if len(set(lengths)) > 1:
            raise ValueError(
                "expected output_names, output_index, type and output_dim of one length, got "
                + ", ".join(map(str, lengths))
            )
        if len(set(self.output_names)) < len(self.output_names):
            raise ValueError(f"expected different output_names, got {list(self.output_names)}")
        return self
