"""What a job will be: every value with its reason and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from hydria.config.site import Queue, Site
from hydria.deploy.quoting import ShellText
from hydria.deploy.task import TRAIN, Task

T = TypeVar("T")


@dataclass(frozen=True)
class Decision(Generic[T]):
    """One value of a plan."""

    value: T
    reason: str
    source: str


@dataclass(frozen=True)
class RankPlace:
    """Where one rank of a node runs; `gpu` is the number that the node gives the device."""

    local_rank: int
    cores: tuple[int, ...]
    gpu: int | None


@dataclass(frozen=True)
class EnvEntry:
    """A variable of the ranks' environment, as the script exports it."""

    name: str
    value: ShellText
    why: str
    source: str
    cited: str
    """`source` in short, with the date of the fact; the header spells it out."""
    directory: bool = False


@dataclass(frozen=True)
class ModuleLoad:
    """A module of the site, loaded before the ranks start."""

    name: str
    why: str
    source: str
    cited: str


@dataclass(frozen=True)
class ConfigInput:
    """The config as the script carries it; `json` is empty for a task that needs none."""

    name: str
    slug: str
    json: str
    sha256: str
    overrides: tuple[str, ...] = ()
    batch_size: int | None = None
    """Samples of one rank's batch; None where the global batch is given instead."""
    global_batch_size: int | None = None
    saves: bool = True
    """Whether training writes checkpoints before it ends or is stopped."""


@dataclass(frozen=True)
class Plan:
    """A job on a site. Nothing here is decided by a template."""

    site: Site
    site_sha256: str
    config: ConfigInput
    nodes: Decision[int]
    ranks_per_node: Decision[int]
    gpus_per_node: Decision[int]
    cores_per_rank: Decision[int | None]
    threads: Decision[int | None]
    workers: Decision[int]
    queue: Decision[str | None]
    walltime_s: Decision[int]
    memory_mib: Decision[int | None]
    account: Decision[str | None]
    constraint: Decision[str | None]
    mail: Decision[str | None]
    runtime: Decision[str]
    image: Decision[str | None]
    venv: Decision[str | None]
    data_root: Decision[ShellText]
    run_dir: Decision[ShellText]
    samples: Decision[int | None]
    """Samples of the training set; None where they cannot be told here."""
    preflight: Decision[bool]
    staging: Decision[tuple[str, ...]]
    """`image` and `data`, as far as they are copied to the disk of every node."""
    part_bytes: Mapping[str, int]
    """Size of `image` and `data`, as far as they are here."""
    requeues: Decision[int]
    lead_s: Decision[int | None]
    queue_row: Queue | None
    """The row of the site's table that accepts the job; None when none does."""
    filesystems: Decision[str | None]
    directives: Decision[tuple[str, ...] | None]
    injections: tuple[str, ...]
    """Names of the site's injections that this container gets."""
    asked_injections: tuple[str, ...]
    assumed: tuple[tuple[str, str], ...]
    """Unknown facts that a person gave a value: path and value."""
    accept_unverified: bool
    places: tuple[RankPlace, ...]
    env: tuple[EnvEntry, ...]
    modules: tuple[ModuleLoad, ...]
    launch: str
    """The launcher with its options; empty where a single rank needs none."""
    task: Task = TRAIN

    @property
    def ranks(self) -> int:
        return self.nodes.value * self.ranks_per_node.value

    @property
    def stem(self) -> str:
        """The name of the script's file: other work on a config leaves its training's alone."""
        same = self.task.trains or self.task.script or self.task.kind == self.config.slug
        return self.config.slug if same else f"{self.config.slug}-{self.task.kind}"

    def conditions(self) -> dict[str, object]:
        """What the site file's conditions may ask about."""
        return conditions(
            self.nodes.value,
            self.ranks_per_node.value,
            self.gpus_per_node.value,
            self.runtime.value,
            self.queue.value,
            self.constraint.value,
        )

    def decisions(self) -> dict[str, Decision[Any]]:
        return {
            field.name: value
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Decision)
        }


def conditions(
    nodes: int, ranks: int, gpus: int, runtime: str, queue: str | None, constraint: str | None
) -> dict[str, object]:
    return {
        "nodes": nodes,
        "ranks_per_node": ranks,
        "gpus_per_node": gpus,
        "runtime": runtime,
        "queue": queue or "",
        "constraint": constraint or "",
    }


def as_json(plan: Plan, directives: tuple[str, ...]) -> dict[str, Any]:
    """The plan for other programs; every decision with its reason and source."""
    return {
        "site": plan.site.name,
        "site_sha256": plan.site_sha256,
        "task": plan.task.kind,
        "config": plan.config.name,
        "config_sha256": plan.config.sha256,
        "overrides": list(plan.config.overrides),
        "assumed": dict(plan.assumed),
        **{name: _decision(decision) for name, decision in plan.decisions().items()},
        "ranks": plan.ranks,
        "placement": [
            {"local_rank": place.local_rank, "cores": list(place.cores), "gpu": place.gpu}
            for place in plan.places
        ],
        "environment": [_entry(entry) for entry in plan.env],
        "modules": [vars(module) for module in plan.modules],
        "launch": plan.launch,
        "directives": list(directives),
    }


def _decision(decision: Decision[Any]) -> Mapping[str, Any]:
    value = decision.value.text if isinstance(decision.value, ShellText) else decision.value
    return {"value": value, "reason": decision.reason, "source": decision.source}


def _entry(entry: EnvEntry) -> Mapping[str, Any]:
    return {
        "name": entry.name,
        "value": entry.value.text,
        "reason": entry.why,
        "source": entry.source,
        "cited": entry.cited,
    }
