"""`--sweep nodes=1,2,4,8`: a study as one job for each combination of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hydria.core.errors import DeployError, Problem, listed
from hydria.core.registry import nearest
from hydria.deploy.quoting import slug
from hydria.deploy.request import COUNTS

FLAG = "--sweep"


@dataclass(frozen=True)
class Variant:
    """One job of a sweep: `values` by the name of a count, or by the path of a config's key."""

    values: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """`nodes-4`: part of the names of its script and run folder."""
        return "-".join(f"{key.rpartition('.')[2]}-{slug(value)}" for key, value in self.values)

    @property
    def counts(self) -> dict[str, Any]:
        return {key: int(value) for key, value in self.values if key in COUNTS}

    @property
    def overrides(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.values if key not in COUNTS]


def read_sweep(texts: Sequence[str]) -> tuple[Variant, ...]:
    """Every combination of the values.

    Raises:
        DeployError: naming every text that is no sweep.
    """
    problems: list[Problem] = []
    axes = [_axis(text, problems) for text in texts]
    keys = [key for key, _ in axes]
    if len(set(keys)) < len(keys):
        problems.append(Problem(FLAG, f"expected each name once, got {', '.join(keys)}"))
    if problems:
        raise DeployError(problems)
    combinations = product(*(values for _, values in axes))
    return tuple(Variant(tuple(zip(keys, values, strict=True))) for values in combinations)


def _axis(text: str, problems: list[Problem]) -> tuple[str, tuple[str, ...]]:
    key, _, rest = text.partition("=")
    values = tuple(rest.split(","))
    if key not in COUNTS and "." not in key:
        close = nearest(key, COUNTS)
        hint = f"did you mean {close!r}?" if close else "Section.key=1,2,3 sweeps over a config"
        problems.append(Problem(FLAG, f"expected one of {listed(COUNTS)}, got {key!r}", hint))
    elif not all(values) or len(set(values)) < len(values):
        problems.append(Problem(FLAG, f"expected different values such as {key}=1,2, got {text!r}"))
    elif key in COUNTS and not all(value.isdigit() for value in values):
        message = f"expected whole numbers such as {key}=1,2,4, got {text!r}"
        problems.append(Problem(FLAG, message))
    return key, values
