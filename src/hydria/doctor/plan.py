"""A planned job, as `hydria job --json` prints it, and how what was found differs from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hydria.core.errors import DeployError, Problem
from hydria.deploy.placement import core_list
from hydria.doctor.facts import RankFacts

T = TypeVar("T")


class _Read(BaseModel):
    """A plan says more than is compared here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Decided(_Read, Generic[T]):
    """A value of the plan, without its reason."""

    value: T


class PlannedPlace(_Read):
    """Where one rank of a node is to run; `gpu` is the node's number of the device."""

    local_rank: int
    cores: tuple[int, ...]
    gpu: int | None


class PlannedVariable(_Read):
    """A variable of the ranks' environment; `$` in its value is the shell's to replace."""

    name: str
    value: str


class PlannedJob(_Read):
    """The part of a plan that a running rank can be held to."""

    site: str
    ranks: int
    nodes: Decided[int]
    ranks_per_node: Decided[int]
    placement: tuple[PlannedPlace, ...]
    environment: tuple[PlannedVariable, ...] = ()


def read_plan(path: Path) -> PlannedJob:
    """Read a plan; DeployError names what it lacks."""
    try:
        return PlannedJob.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as err:
        raise DeployError(f"{path}: cannot be read: {err.strerror}") from err
    except ValidationError as err:
        problems = [
            Problem(".".join(map(str, error["loc"])), error["msg"]) for error in err.errors()
        ]
        raise DeployError(problems) from err
    except ValueError as err:
        raise DeployError(
            f"{path}: expected a plan as `hydria job --json` prints it, got {err}"
        ) from err


@dataclass(frozen=True)
class Difference:
    """A rank that does not run where it was to."""

    rank: int
    host: str
    planned: str
    found: str


def differences(plan: PlannedJob, ranks: tuple[RankFacts, ...]) -> Iterator[Difference]:
    """Ranks whose cores or device are not those of the plan; none where it does not name cores."""
    places = {place.local_rank: place for place in plan.placement}
    for facts in ranks:
        place = places.get(facts.ranks.local_rank)
        if place is None or (_cores_agree(place, facts) and _device_agrees(place, facts)):
            continue
        yield Difference(
            facts.ranks.rank,
            facts.host.name,
            planned=_words(place.cores, place.gpu),
            found=_words(_comparable_cores(place, facts), facts.devices.number),
        )


def _cores_agree(place: PlannedPlace, facts: RankFacts) -> bool:
    """Plans count cores; launchers may bind to their hardware threads as well."""
    binding = facts.binding
    return set(place.cores) in (set(binding.cores), set(binding.hardware_threads))


def _comparable_cores(place: PlannedPlace, facts: RankFacts) -> tuple[int, ...]:
    return place.cores if _cores_agree(place, facts) else facts.binding.cores


def _device_agrees(place: PlannedPlace, facts: RankFacts) -> bool:
    if place.gpu is None:
        return True
    if facts.devices.number is None and facts.devices.forced_cpu:
        return True  # somebody wants this; the check of devices tells it
    return place.gpu == facts.devices.number


def _words(cores: tuple[int, ...], gpu: int | None) -> str:
    return f"cores {core_list(tuple(sorted(cores)))}, " + (
        "no GPU" if gpu is None else f"GPU {gpu}"
    )
