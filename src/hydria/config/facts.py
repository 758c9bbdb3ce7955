"""How facts about a machine are written: a value, or a value with where it comes from.

A fact is written `value`, or `{value, source, as_of, confidence, note}`. The word `unknown` is a
legal value: nobody has found it out, and only what depends on it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from hydria.config.conditions import parse_condition
from hydria.config.job import Line, parse_walltime

UNKNOWN = "unknown"
Confidence = Literal["documented", "seen", "inferred"]
T = TypeVar("T")


def _condition(text: str) -> str:
    parse_condition(text)
    return text


def cores_of(text: str) -> tuple[int, ...]:
    """The cores of a list such as `1-7,9`."""
    cores: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"expected core numbers such as 0-7,16, got {text!r}")
        cores.extend(range(int(first), int(last or first) + 1))
    return tuple(cores)


def ranks_of(text: str) -> tuple[tuple[int, ...], ...]:
    """The cores of each rank of a list such as `4-7:8-11`."""
    return tuple(cores_of(part) for part in text.split(":"))


def _rank_list(text: str) -> str:
    ranks_of(text)
    return text


def _cores(value: Any) -> Any:
    return cores_of(value) if isinstance(value, str) and value != UNKNOWN else value


Condition = Annotated[Line, AfterValidator(_condition)]
RankList = Annotated[Line, AfterValidator(_rank_list)]
Cores = Annotated[tuple[int, ...], BeforeValidator(_cores)]
Seconds = Annotated[int, BeforeValidator(parse_walltime)]


class Part(BaseModel):
    """A part of a site file: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Sourced(Part):
    """What is said about where a statement comes from."""

    source: str | None = None
    as_of: date | None = None
    confidence: Confidence | None = None
    note: str | None = None


class Fact(Sourced, Generic[T]):
    """One fact; `value` is None where the file says `unknown`."""

    value: T | None

    @model_validator(mode="before")
    @classmethod
    def _written_plainly(cls, written: Any) -> Any:
        fields = dict(written) if isinstance(written, dict) and "value" in written else None
        fields = {"value": written} if fields is None else fields
        if fields["value"] == UNKNOWN:
            fields["value"] = None
        return fields

    @property
    def known(self) -> bool:
        return self.value is not None


class Source(Part):
    """A page or a script that facts are taken from."""

    url: str
    as_of: Annotated[date | None, BeforeValidator(lambda day: None if day == UNKNOWN else day)]
    """The day of the snapshot that was read; None for pages without a date."""
    title: str = ""


def statements(part: BaseModel, path: str = "") -> Iterator[tuple[str, Sourced]]:
    """Every fact and sourced row that is written below `part`, with its dotted path."""
    for name in (name for name in type(part).model_fields if name in part.model_fields_set):
        yield from _statements_of(getattr(part, name), f"{path}.{name.rstrip('_')}".lstrip("."))


def _statements_of(value: object, path: str) -> Iterator[tuple[str, Sourced]]:
    if isinstance(value, Sourced):
        yield path, value
    if isinstance(value, BaseModel):
        yield from statements(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _statements_of(item, f"{path}[{index}]")
