"""Scaling of features and targets by their minimum and maximum, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria.core.errors import DataError
from hydria.data.structures import Floats, Structures

# a feature whose name ends so is divided by the number of atoms of its structure
SCALED = "_scaled_num_nodes"


@dataclass(frozen=True)
class Scale:
    """A linear map of one feature: the smallest value to `low`, the largest to `high`.

    A feature that is the same everywhere becomes 0 (as in HydraGNN), and comes back as itself.
    """

    minimum: float
    maximum: float
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, values: Floats, low: float = 0.0, high: float = 1.0) -> Scale:
        """The scale of all `values`, whatever their shape."""
        return cls(float(values.min()), float(values.max()), low, high)

    @classmethod
    def around_zero(cls, low: float, high: float) -> Scale:
        """[low, high] to [-1, 1] so that zero stays zero, as vectors need it."""
        largest = max(abs(low), abs(high))
        return cls(-largest, largest, -1.0, 1.0)

    @property
    def factor(self) -> float:
        """What one unit of the data becomes."""
        span = self.maximum - self.minimum
        return (self.high - self.low) / span if span > 0 else 0.0

    def apply(self, values: Floats) -> Floats:
        """Data to [low, high], in float64."""
        if self.factor == 0.0:
            return np.zeros_like(values, dtype=np.float64)
        return (np.asarray(values, np.float64) - self.minimum) * self.factor + self.low

    def undo(self, values: NDArray[Any]) -> Floats:
        """Back to the units of the data, in float64."""
        if self.factor == 0.0:
            return np.asarray(values, np.float64) + self.minimum
        return (np.asarray(values, np.float64) - self.low) / self.factor + self.minimum

    def to_json(self) -> list[float]:
        """Its four numbers, as kept in the attributes of a store."""
        return [self.minimum, self.maximum, self.low, self.high]


def denormalise(attrs: Mapping[str, Any], column: str, values: NDArray[Any]) -> Floats:
    """Values of a column of a store in the units of its data.

    Args:
        attrs: the attributes of the store.
        column: name of the column, such as `y.energy`.
        values: targets or predictions on the scale of the store.
    """
    numbers = attrs.get("scales", {}).get(column)
    return np.asarray(values, np.float64) if numbers is None else Scale(*numbers).undo(values)


def denormalise_widths(attrs: Mapping[str, Any], column: str, widths: NDArray[Any]) -> Floats:
    """The same of differences of values, such as standard deviations."""
    numbers = attrs.get("scales", {}).get(column)
    factor = 1.0 if numbers is None else Scale(*numbers).factor
    return np.asarray(widths, np.float64) / (factor or 1.0)


def scale_by_num_nodes(structures: Structures) -> Structures:
    """Divide the features whose names end in `_scaled_num_nodes` by the number of atoms."""
    atoms = structures.num_atoms.astype(np.float64)[:, None]
    per_node = np.repeat(atoms, structures.num_atoms, axis=0)
    return replace(
        structures,
        node={n: v / per_node if SCALED in n else v for n, v in structures.node.items()},
        graph={n: v / atoms if SCALED in n else v for n, v in structures.graph.items()},
        units={n: f"{u}/atom" if SCALED in n else u for n, u in structures.units.items()},
    )


def fit(
    features: dict[str, Floats],
    value_range: tuple[float, float],
    turning: Collection[str] = (),
) -> dict[str, Scale]:
    """The scale of every feature, over all its columns; `turning` are vectors or tensors."""
    return {
        name: scale_for(name, float(values.min()), float(values.max()), value_range, turning)
        for name, values in features.items()
    }


def scale_for(
    name: str,
    smallest: float,
    largest: float,
    value_range: tuple[float, float],
    turning: Collection[str],
) -> Scale:
    """The scale of one feature with these bounds."""
    if name in turning:
        return Scale.around_zero(smallest, largest)
    return Scale(smallest, largest, *value_range)


def normalise(features: dict[str, Floats], scales: dict[str, Scale]) -> dict[str, Floats]:
    """Every feature on its scale; those without one as they are."""
    return {
        name: scales[name].apply(values) if name in scales else values
        for name, values in features.items()
    }


def check_finite(structures: Structures) -> None:
    """Refuse NaN and infinities.

    Raises:
        DataError: names the structure, the atom and the feature.
    """
    for name, values in {"position": structures.pos, **structures.node}.items():
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            where = structures.atom_name(int(bad[0]))
            raise _not_finite(where, name, values[bad[0]], len(bad))
    graph = dict(structures.graph)
    if structures.cell is not None:
        graph["lattice"] = structures.cell.reshape(len(structures), 9)
    for name, values in graph.items():
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise _not_finite(structures.names[bad[0]], name, values[bad[0]], len(bad))


def _not_finite(where: str, name: str, values: Floats, count: int) -> DataError:
    got = ", ".join(f"{value:g}" for value in values)
    return DataError(
        f"{where}: expected finite numbers for {name!r}, got {got} ({count} such in all). "
        "Hint: take the structure out of the raw data or repair it"
    )
