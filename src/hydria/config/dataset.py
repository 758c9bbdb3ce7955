"""The `Dataset` section, and which of its columns are inputs and outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from hydria.config.base import Count, Frozen, Index, described, shown
from hydria.config.formats import FORMATS

Row = tuple[float, float, float]
Rows = tuple[Row, Row, Row]
Symmetry = Literal["scalar", "vector", "tensor"]
ElementDescriptor = Literal[
    "atomic_number",
    "mass",
    "period",
    "group",
    "block",
    "valence_electrons",
    "electronegativity",
    "covalent_radius",
    "vdw_radius",
]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


class DataPath(Frozen):
    """One folder or file that is split by fraction, or one for each set."""

    total: str | None = None
    """Folder or file that is split by perc_train."""
    train: str | None = None
    """Training set, when the sets are given."""
    validation: str | None = Field(None, alias="validate")
    """Validation set, when the sets are given."""
    test: str | None = None
    """Test set, when the sets are given."""

    @model_validator(mode="after")
    def _total_or_three(self) -> DataPath:
        three = (self.train, self.validation, self.test)
        whole = bool(self.total) and not any(three)
        if not whole and not (all(three) and self.total is None):
            raise ValueError("expected either 'total', or all of 'train', 'validate' and 'test'")
        return self


def _total(value: Any) -> Any:
    """Upstream's first versions wrote the folder itself."""
    return {"total": value} if isinstance(value, str) else value


class Features(Frozen):
    """Columns of the raw data, by name."""

    name: tuple[str, ...] = ()
    """Name of each feature."""
    dim: tuple[Count, ...] = ()
    """Number of columns of each feature."""
    column_index: tuple[Index, ...] = ()
    """First column of each feature in the raw files."""

    @model_validator(mode="before")
    @classmethod
    def _one_column_each(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("name"), list | tuple):
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
        if len(set(self.name)) < len(self.name):
            raise ValueError(f"expected different names, got {shown(self.name)}")
        return self


class Descriptors(Frozen):
    """Features that follow from elements and from geometry."""

    SphericalCoordinates: bool = False
    """Length, azimuth and polar angle of every edge."""
    PointPairFeatures: bool = False
    """Length of every edge, and angles between it and the outward normals of its ends."""
    AtomicDescriptors: tuple[ElementDescriptor, ...] = ()
    """Properties of the elements that join the node features, scaled over all elements."""


def _spans_a_cell(value: Rows | str | None) -> Rows | str | None:
    if value == "":
        raise ValueError('expected the name of a CSV file, got ""')
    if isinstance(value, tuple):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = value
        volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        if volume == 0:
            raise ValueError(f"expected vectors that span a volume (Å³), got {shown(value)}")
    return value


class Dataset(Frozen):
    """What data to read, and how to cut it into sets."""

    name: str = Field("dataset", pattern=NAME)
    """Name of the data set, for folders and messages."""
    format: str = Field("LSMS", json_schema_extra={"enum": list(FORMATS)})
    """Format of the raw files; a path that ends in .pkl is read as pickled graphs."""
    path: Annotated[DataPath, BeforeValidator(_total, json_schema_input_type=DataPath | str)] = (
        DataPath(total="dataset")
    )
    """Where the raw files lie: from the working directory, or from the data root."""
    node_features: Features = Features()
    """Columns of each node in the raw files."""
    graph_features: Features = Features()
    """Columns of each structure in the raw files."""
    lattice: Annotated[
        Rows | str | None,
        described("three lattice vectors as rows (Å), or the name of a CSV file"),
        AfterValidator(_spans_a_cell),
    ] = None
    """Lattice vectors as rows, Å, of all structures; or a CSV file (name, 9 numbers, pbc)."""
    compositional_stratified_splitting: bool = False
    """Represent each composition in all three sets."""
    rotational_invariance: bool = False
    """Turn every structure into its principal axes."""
    normalize_features: bool = True
    """Scale features and targets by their minimum and maximum."""
    normalization_range: tuple[float, float] = (0.0, 1.0)
    """Range that minimum and maximum are mapped to: [0, 1] or [-1, 1]."""
    branches: dict[str, Annotated[str, Field(pattern=r"^branch-\d+$")]] = Field(
        default_factory=dict
    )
    """Folder or file below the path, or dataset_name of samples → branch; "*" is all others."""
    descriptors: Descriptors = Field(Descriptors(), alias="Descriptors")
    """Features that follow from elements and from geometry."""

    @field_validator("normalization_range")
    @classmethod
    def _known_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value not in ((0.0, 1.0), (-1.0, 1.0)):
            raise ValueError(f"expected [0, 1] or [-1, 1], got {shown(value)}")
        return value


class VariablesOfInterest(Frozen):
    """Which features go in and which come out."""

    input_node_features: tuple[Index, ...] = Field((0,), min_length=1)
    """Columns of Dataset.node_features, counted over all of them; a feature has `dim` columns."""
    output_names: tuple[str, ...] = Field(min_length=1)
    """A name for each output."""
    output_index: tuple[Index, ...]
    """Index of each output in Dataset.graph_features or Dataset.node_features."""
    type: tuple[Literal["graph", "node"], ...]
    """Whether each output belongs to the graph or to its nodes."""
    output_dim: tuple[Count, ...] | None = None
    """Columns of each output; taken from the features when left out."""
    output_symmetry: tuple[Symmetry, ...] | None = None
    """How each output turns with the structure; 3 columns of a node do if the model has vectors."""
    graph_attr_features: tuple[Index, ...] = ()
    """Indices in Dataset.graph_features of what conditions the model."""
    denormalize_output: bool = False
    """Report errors and predictions in the units of the data."""
    subsample_percentage: float | None = Field(None, gt=0, le=1)
    """Part of the data to use, drawn evenly over compositions."""

    @model_validator(mode="after")
    def _same_length(self) -> VariablesOfInterest:
        lengths = {
            key: len(getattr(self, key))
            for key in ("output_names", "output_index", "type", "output_dim", "output_symmetry")
            if getattr(self, key) is not None
        }
        if len(set(lengths.values())) > 1:
            got = ", ".join(f"{key} {count}" for key, count in lengths.items())
            raise ValueError(f"expected as many {', '.join(lengths)} as outputs, got {got}")
        if len(set(self.output_names)) < len(self.output_names):
            raise ValueError(f"expected different output_names, got {shown(self.output_names)}")
        return self
