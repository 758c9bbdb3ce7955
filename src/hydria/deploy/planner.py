"""Site, config and request to a plan: `make_plan` decides every value and says why."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from hydria.config import LoadedConfig
from hydria.config.facts import ranks_of
from hydria.config.job import parse_memory, parse_walltime
from hydria.config.site import Site
from hydria.core.errors import DeployError, Problem
from hydria.deploy.data_size import DataSize, data_size
from hydria.deploy.environment import (
    THREADS,
    WORKERS,
    active_injections,
    plan_environment,
    plan_modules,
)
from hydria.deploy.json_text import printed
from hydria.deploy.launching import exported, launcher_words
from hydria.deploy.placement import chosen_list, place_ranks
from hydria.deploy.plan import ConfigInput, Decision, EnvEntry, Plan, RankPlace, conditions
from hydria.deploy.queues import choose_queue
from hydria.deploy.quoting import ShellText, literal, slug, template
from hydria.deploy.request import Request, Setting
from hydria.deploy.runtimes import OF_FILES
from hydria.deploy.sites import LoadedSite
from hydria.deploy.steps import decide_staging
from hydria.deploy.task import TRAIN, Task

T = TypeVar("T")
NO_IMAGE = "none"
CHAIN = "`hydria submit --chain N` queues jobs that go on one after another"


def make_plan(
    loaded_site: LoadedSite,
    config: LoadedConfig | None,
    request: Request,
    task: Task = TRAIN,
    label: str = "",
    accept_unverified: bool = False,
) -> Plan:
    """Decide everything about a job; whether it can work is for the checks to say.

    Args:
        config: None for a task that needs none.
        label: what tells this job from its siblings; part of its name and of its run folder.
        accept_unverified: go on where the site file says `unverified`.

    Raises:
        DeployError: when a value cannot even be formed, such as a path of an unknown scratch.
    """
    carried = config_input(config) if config else _no_config(task)
    if label:
        carried = replace(carried, slug=slug(f"{carried.slug}-{label}"))
    planner = _Planner(loaded_site, carried, request, task, accept_unverified, label)
    return planner.plan(data_size(config.config, planner.data_root_here()) if config else None)


def _no_config(task: Task) -> ConfigInput:
    name = PurePosixPath(task.script).stem if task.script else task.kind
    return ConfigInput(name, slug(name), "", "")


def config_input(loaded: LoadedConfig) -> ConfigInput:
    """The config as the script carries it: overrides applied, ASCII, the same bytes every time."""
    text = printed(loaded.raw)
    digest = hashlib.sha256(text.encode()).hexdigest()
    overrides = tuple(f"{path}={_at(loaded.raw, path)}" for path in loaded.overrides)
    training = loaded.config.neural_network.training
    return ConfigInput(
        loaded.name,
        slug(loaded.name),
        text,
        digest,
        overrides,
        None if training.global_batch_size else training.batch_size,
        training.global_batch_size,
        training.checkpoint and training.checkpoint_warmup < training.num_epoch,
    )


def _at(tree: Mapping[str, Any], path: str) -> str:
    node: Any = tree
    for key in path.split("."):
        node = node[key]
    return json.dumps(node, ensure_ascii=True)


@dataclass(frozen=True)
class _Resources:
    """The parts of a node that one rank gets."""

    gpus: Decision[int]
    ranks: Decision[int]
    cores: Decision[int | None]
    workers: Decision[int]
    threads: Decision[int | None]


@dataclass(frozen=True)
class _Planner:
    loaded: LoadedSite
    config: ConfigInput
    request: Request
    task: Task
    accept_unverified: bool = False
    label: str = ""

    @property
    def site(self) -> Site:
        return self.loaded.site

    @property
    def file(self) -> str:
        return f"site {self.site.name}"

    def data_root_here(self) -> Path | None:
        """The data root, where its path is known before the job runs."""
        path = self._path("data", self.site.storage.data).value
        return None if path.variables or not path.text else Path(path.text)

    def plan(self, size: DataSize | None) -> Plan:
        nodes = self._nodes()
        walltime = self._walltime()
        resources = self._resources()
        queue = self._queue(nodes.value, walltime.value)
        runtime, image = self._container()
        parts = self._part_bytes(image.value, size)
        staging = self._staging(nodes.value, image.value, parts)
        constraint = self._constraint(bool(staging.value))
        facts = conditions(
            nodes.value,
            resources.ranks.value,
            resources.gpus.value,
            runtime.value,
            queue.value,
            constraint.value,
        )
        wished = self.request.get("inject")
        injections = active_injections(self.site, facts, wished.value if wished else ())
        env = plan_environment(
            self.site,
            facts,
            resources.threads.value,
            resources.workers.value,
            self.request.environment(),
            injections,
        )
        places = place_ranks(
            self.site.node,
            self.site.launch,
            resources.ranks.value,
            resources.cores.value,
            resources.gpus.value,
        )
        return Plan(
            site=self.site,
            site_sha256=self.loaded.sha256,
            config=self.config,
            nodes=nodes,
            ranks_per_node=resources.ranks,
            gpus_per_node=resources.gpus,
            cores_per_rank=resources.cores,
            threads=resources.threads,
            workers=resources.workers,
            queue=queue,
            walltime_s=walltime,
            memory_mib=self._memory(resources.gpus.value),
            account=self._optional("account", "project that is charged"),
            constraint=constraint,
            mail=self._optional("mail", "where the scheduler writes to"),
            runtime=runtime,
            image=image,
            venv=self._optional("venv", "Python environment that has hydria"),
            data_root=self._path("data", self.site.storage.data),
            run_dir=self._path("run_dir", self.site.storage.runs),
            samples=self._samples(size),
            preflight=self._preflight(nodes.value * resources.ranks.value),
            staging=staging,
            part_bytes=parts,
            requeues=self._requeues(),
            lead_s=self._lead(),
            queue_row=choose_queue(self.site, self._asked_queue(), nodes.value, walltime.value),
            filesystems=self._filesystems(),
            directives=self._optional("directives", "directives of one's own"),
            injections=injections,
            asked_injections=tuple(wished.value) if wished else (),
            assumed=self.loaded.assumed,
            accept_unverified=self.accept_unverified,
            places=places,
            env=env,
            modules=plan_modules(self.site, facts, injections),
            launch=self._launch(nodes.value, resources, places, env),
            task=self.task,
        )

    def _nodes(self) -> Decision[int]:
        setting = self.request.get("nodes")
        if setting is None:
            return Decision(1, "one node unless more are asked for", self.file)
        return Decision(setting.value, "nodes of the job", setting.source)

    def _optional(self, key: str, reason: str) -> Decision[Any]:
        setting = self.request.get(key)
        if setting is None:
            return Decision(None, f"{reason}: not asked for", self.file)
        return Decision(setting.value, reason, setting.source)

    def _walltime(self) -> Decision[int]:
        setting = self.request.get("walltime")
        if setting is None:  # a machine without a scheduler does not end jobs
            longest = max(row.walltime[1] or row.walltime[0] for row in self.site.queues)
            return Decision(longest, "the longest that the site allows", self.file)
        return Decision(parse_walltime(setting.value), "time until the job ends", setting.source)

    def _memory(self, gpus: int) -> Decision[int | None]:
        setting = self.request.get("memory")
        if setting is None:
            return Decision(None, "what the site gives to such a job", self.file)
        whole = self.site.node.gpus.count.value if self.site.node.gpus else None
        if self.site.memory_policy == "mem_per_gpu" and whole and self._is_default(setting):
            share = parse_memory(setting.value) * (gpus or whole) // whole
            return Decision(share, f"the share of {gpus or whole} of {whole} GPUs", setting.source)
        return Decision(parse_memory(setting.value), "host memory per node", setting.source)

    def _is_default(self, setting: Setting) -> bool:
        return setting.source == f"default of site {self.site.name}"

    def _filesystems(self) -> Decision[str | None]:
        setting, known = self.request.get("filesystems"), self.site.storage.filesystems
        if setting is not None or known is None:
            return self._optional("filesystems", "file systems that the job needs")
        return Decision(known.default, "file systems of home and scratch", self.site.cited(known))

    def _asked_queue(self) -> str | None:
        setting = self.request.get("queue")
        return setting.value if setting else None

    def _queue(self, nodes: int, walltime_s: int) -> Decision[str | None]:
        setting = self.request.get("queue")
        if setting is not None:
            return Decision(setting.value, "asked for", setting.source)
        row = choose_queue(self.site, None, nodes, walltime_s)
        if row is not None and self.site.any_queue:
            return Decision(None, "the machine's own default", self.file)
        if row is None:
            return Decision(None, "no queue takes this many nodes for this long", self.file)
        reason = f"takes {row.nodes[0]}-{row.nodes[1] or 'unknown'} nodes for this long"
        if row.submit_to is not None:
            reason = f"hands the job to {row.name}, which {reason}"
        return Decision(row.asked_as, reason, self.site.cited(row))

    def _resources(self) -> _Resources:
        gpus = self._gpus()
        ranks = self._ranks(gpus.value)
        cores = self._cores(ranks.value, gpus.value)
        workers = self._workers(cores.value)
        return _Resources(gpus, ranks, cores, workers, self._threads(cores.value, workers.value))

    def _gpus(self) -> Decision[int]:
        setting = self.request.get("gpus")
        if self.task.kind == "prepare" and not (setting and setting.source == "--gpus"):
            return Decision(0, "preparing data needs none", "plan")
        if setting is not None:
            return Decision(setting.value, "GPUs per node", setting.source)
        gpus = self.site.node.gpus
        if gpus is None or gpus.count.value is None:
            return Decision(0, "none asked for", self.file)
        return Decision(gpus.count.value, "all GPUs of a node", self.site.cited(gpus.count))

    def _ranks(self, gpus: int) -> Decision[int]:
        if gpus:
            return Decision(gpus, "one rank per GPU", "plan")
        per_rank = self.site.launch.cores_per_rank.value or 1
        asked = self.request.get("ranks")
        if asked is not None:
            return Decision(asked.value, "ranks per node", asked.source)
        setting = self.request.get("cpus")
        if setting is not None:
            reason = f"one rank per {per_rank} of the cores asked for"
            return Decision(max(1, setting.value // per_rank), reason, setting.source)
        usable = len(self.site.node.usable_cores())
        if usable == 0:
            return Decision(1, "one rank unless --cpus or --gpus asks for more", self.file)
        return Decision(max(1, usable // per_rank), f"one rank per {per_rank} cores", self.file)

    def _cores(self, ranks: int, gpus: int) -> Decision[int | None]:
        setting = self.request.get("cpus")
        if setting is not None:
            reason = f"{setting.value} cores shared by {ranks} ranks"
            return Decision(setting.value // ranks, reason, setting.source)
        usable = len(self.site.node.usable_cores())
        if gpus and self.site.launch.cpu_bind.lists:
            row = chosen_list(self.site.launch, None)
            width = len(ranks_of(row.value)[0])
            return Decision(width, "cores per rank of the site's list", self.site.cited(row))
        fact = self.site.workers.cpus_per_rank_usable
        if gpus and fact is not None and fact.value is not None:
            return Decision(fact.value, "usable cores near one GPU", self.site.cited(fact))
        if usable == 0:
            return Decision(None, "the cores that the machine has", self.file)
        return Decision(usable // ranks, f"{usable} usable cores for {ranks} ranks", self.file)

    def _workers(self, cores: int | None) -> Decision[int]:
        asked = self._whole_number(WORKERS)
        if asked is not None:
            return Decision(int(asked.value), "asked for", asked.source)
        fact = self.site.workers.dataloader_default
        wanted = fact.value or 0
        room = wanted if cores is None else max(0, min(wanted, cores - 1))
        return Decision(room, "loader workers; the trainer keeps at least one core", self.file)

    def _threads(self, cores: int | None, workers: int) -> Decision[int | None]:
        asked = self._whole_number(THREADS)
        if asked is not None:
            return Decision(int(asked.value), "asked for", asked.source)
        if cores is None:
            return Decision(None, "torch takes the cores that it finds", self.file)
        reason = f"{cores} cores of a rank, less {workers} loader workers"
        return Decision(max(1, cores - workers), reason, "plan")

    def _whole_number(self, name: str) -> Setting | None:
        asked = self.request.environment().get(name)
        if asked is not None and not asked.value.isdigit():
            raise DeployError(
                [Problem(f"--env {name}", f"expected a whole number, got {asked.value!r}")]
            )
        return asked

    def _container(self) -> tuple[Decision[str], Decision[str | None]]:
        setting = self.request.get("image")
        if setting is None:
            reason = "no image was given: the script uses an installed hydria"
            return Decision(NO_IMAGE, reason, "plan"), Decision(None, reason, "plan")
        if setting.value == NO_IMAGE:
            reason = "the script uses an installed hydria"
            source = setting.source
            return Decision(NO_IMAGE, reason, source), Decision(None, reason, source)
        fact = self.site.container.runtime
        runtime = fact.value or "unknown"
        return (
            Decision(runtime, "container runtime of the site", self.site.cited(fact)),
            Decision(setting.value, "image that holds hydria", setting.source),
        )

    def _path(self, key: str, default: str) -> Decision[ShellText]:
        setting = self.request.get(key)
        if setting is not None:
            own = f"/{self.label}" if self.label and key == "run_dir" else ""
            return Decision(literal(setting.value + own), "asked for", setting.source)
        scratch = self.site.storage.scratch
        if scratch.value is None and "$SCRATCH" in default:
            return Decision(literal(""), "storage.scratch is unknown", self.file)
        text = default.replace("$SCRATCH", scratch.value or "").replace("$CONFIG", self.config.slug)
        return Decision(template(text), "on the site's scratch", self.site.cited(scratch))

    def _constraint(self, stages: bool) -> Decision[str | None]:
        """What was asked for, and the node feature that staging needs."""
        asked = self._optional("constraint", "node feature or GPU model")
        local = self.site.storage.node_local
        option, _, feature = (local.request if local and local.request else "").partition("=")
        if not stages or option != "--constraint" or feature in (asked.value or ""):
            return asked
        if asked.value is None:
            return Decision(feature, "the feature that gives node-local storage", self.file)
        reason = "asked for, and the feature that gives node-local storage"
        return Decision(f"{asked.value}&{feature}", reason, asked.source)

    def _preflight(self, ranks: int) -> Decision[bool]:
        setting = self.request.get("preflight")
        if setting is not None:
            return Decision(setting.value, "asked for", setting.source)
        if self.site.scheduler.kind == "local" or self.task.kind == "doctor":
            return Decision(False, "what runs here is seen at once", "plan")
        if self.site.launch.alone_without and ranks == 1:
            return Decision(False, "no launcher that could place ranks wrongly", "plan")
        return Decision(True, "a wrong binding is found before it costs node-hours", "plan")

    def _samples(self, size: DataSize | None) -> Decision[int | None]:
        if size is None or not self.task.trains:
            return Decision(None, "nothing is trained", "plan")
        return Decision(size.samples, size.reason, "plan")

    def _part_bytes(self, image: str | None, size: DataSize | None) -> dict[str, int]:
        """Bytes of what could be copied to the nodes, as far as it is here."""
        found: dict[str, int] = {}
        if image is not None and os.path.isfile(image):
            found["image"] = os.path.getsize(image)
        if size is not None and size.store_bytes is not None:
            found["data"] = size.store_bytes
        return found

    def _staging(
        self, nodes: int, image: str | None, sizes: Mapping[str, int]
    ) -> Decision[tuple[str, ...]]:
        asked = self.request.get("stage")
        as_file = image is not None and self.site.container.runtime.value in OF_FILES
        return decide_staging(
            self.site,
            nodes,
            as_file,
            self.task.needs_data,
            sizes,
            asked,
        )

    def _requeues(self) -> Decision[int]:
        fact, limit = self.site.restart.requeue, self.site.restart.max
        if not self.task.trains:
            return Decision(0, "only training leaves a checkpoint to go on from", "plan")
        if fact.value is None:
            reason = f"whether the site lets a job requeue itself is unknown: {CHAIN}"
            return Decision(0, reason, self.file)
        if fact.value == "chain":
            return Decision(0, CHAIN, self.site.cited(fact))
        if fact.value == "none":
            return Decision(0, "jobs do not requeue themselves here", self.file)
        return Decision(limit, f"{fact.value}, at most this often", self.site.cited(fact))

    def _lead(self) -> Decision[int | None]:
        restart = self.site.restart
        if restart.signal == "none":
            return Decision(None, "nothing ends the job", self.file)
        reason = f"seconds before the end at which the {restart.signal} warns the job"
        return Decision(restart.lead_s, reason, self.file)

    def _launch(
        self,
        nodes: int,
        resources: _Resources,
        places: tuple[RankPlace, ...],
        env: tuple[EnvEntry, ...],
    ) -> str:
        ranks, cores = resources.ranks.value, resources.cores.value
        numbers = {
            "nodes": nodes,
            "ranks": nodes * ranks,
            "ranks_per_node": ranks,
            "gpus": resources.gpus.value,
            "cores": cores,
            "hwthreads": None if cores is None else cores * self.site.node.smt,
        }
        return launcher_words(self.site, numbers, places, exported(self.site, env))
