"""`--sweep nodes=1,2,4,8`: a scaling study as one job for each combination of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hydria.core.errors import DeployError, Problem, listed
from hydria.core.registry import nearest
from hydria.deploy.request import COUNTS

FLAG = "--sweep"


@dataclass(frozen=True)
class Variant:
    """One job of a sweep."""

    values: Mapping[str, Any]

    @property
    def label(self) -> str:
        """`nodes-4`: part of the names of its script and run folder."""
        return "-".join(f"{key}-{value}" for key, value in self.values.items())


def read_sweep(texts: Sequence[str]) -> tuple[Variant, ...]:
    """Every combination of the values; one variant without values for no text.

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
    return tuple(Variant(dict(zip(keys, values, strict=True))) for values in combinations)


def _axis(text: str, problems: list[Problem]) -> tuple[str, tuple[int, ...]]:
    key, _, values = text.partition("=")
    numbers = values.split(",")
    if key not in COUNTS:
        close = nearest(key, COUNTS)
        hint = f"did you mean {close!r}?" if close else None
        problems.append(Problem(FLAG, f"expected one of {listed(COUNTS)}, got {key!r}", hint))
    elif not all(number.isdigit() for number in numbers) or len(set(numbers)) < len(numbers):
        message = f"expected different whole numbers such as {key}=1,2,4, got {text!r}"
        problems.append(Problem(FLAG, message))
    else:
        return key, tuple(map(int, numbers))
    return key, ()
