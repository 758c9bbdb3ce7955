"""The description of a machine: what `site/<name>.yaml` may say.

How each fact is marked is said in `facts`; `source` is a key of the file's `sources` table.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hydria.config.facts import (
    UNKNOWN,
    Condition,
    Cores,
    Fact,
    Part,
    RankList,
    Seconds,
    Source,
    Sourced,
    statements,
)
from hydria.config.job import JobConfig, Line


class Scheduler(Sourced):
    kind: Literal["slurm", "pbspro", "flux", "local"]
    version_min: Fact[str] | None = None
    quirks: tuple[
        Literal[
            "srun_no_inherit_cpus",
            "default_qos_debug",
            "psslurm",
            "routing_queue_drops_silently",
            "qsub_V_discouraged",
            "no_var_in_directives",
        ],
        ...,
    ] = ()


class RequiredDirective(Sourced):
    """One that must be there; `literal` ones are written as they stand, with {gpus} and the like.

    The others come from the request; where `value` is given, it must occur in what was asked for.
    """

    flag: Line
    from_: Literal[
        "account", "queue", "nodes", "walltime", "constraint", "filesystems", "literal"
    ] = Field(alias="from")
    value: Line | None = None
    when: Condition | None = None
    reason: str | None = None


class ForbiddenDirective(Sourced):
    flag: Line
    reason: str


class ConditionalDirective(Sourced):
    when: Condition | None = None
    emit: Line
    why: str


class Directives(Part):
    required: tuple[RequiredDirective, ...] = ()
    forbidden: tuple[ForbiddenDirective, ...] = ()
    conditional: tuple[ConditionalDirective, ...] = ()
    chunk: tuple[Line, ...] = ()
    """Parts that every chunk of a PBS `select` has, such as `system=polaris`."""


class PerUser(Part):
    running: int | None = None
    queued: int | None = None


def _unknown_is_none(value: Any) -> Any:
    return None if value == UNKNOWN else value


# The upper end of a range; None where the file says `unknown`.
Most = Annotated[int | None, BeforeValidator(_unknown_is_none)]
Longest = Annotated[Seconds | None, BeforeValidator(_unknown_is_none)]


class Queue(Sourced):
    """One row of the machine's table of queues; a queue with walltime bins has several rows.

    A row of kind `routing` is an execution queue: jobs are sent to the queue `submit_to`, which
    hands them on.
    """

    name: Line
    kind: Literal["partition", "qos", "queue", "routing", "none"]
    submit_to: Line | None = None
    nodes: tuple[int, Most]
    walltime: tuple[Seconds, Longest]
    per_user: PerUser | None = None
    production: bool = True
    chaining: bool = True
    preemptable: bool = False
    by_name: bool = False  # never chosen unasked
    constraint: Line | None = None
    extra: tuple[Line, ...] = ()
    listed_as: Line | None = None
    """What the machine's own list of queues calls it, where that is another name."""
    refused: Line | None = None
    """Why no job of ours may go there."""

    @property
    def asked_as(self) -> str:
        """The name that a job gives."""
        return self.submit_to or self.name


class Numa(Sourced):
    id: int
    cores: Cores
    mem_gb: int | None = None


class GpuAffinity(Sourced):
    gpu: int
    numa: int | None = None
    cores: Cores


class Gpus(Sourced):
    count: Fact[int]
    kind: Fact[str] | None = None
    mem_gb: Fact[int] | None = None
    arch: Fact[str] | None = None
    tiles: int = 1
    modes: dict[str, int] = Field(default_factory=dict)
    vendor: Literal["nvidia", "amd", "intel"] | None = None


class Node(Sourced):
    cores: Fact[int]
    smt: int = 1
    reserved_cores: Fact[Cores] = Fact[Cores](value=())
    numa: tuple[Numa, ...] = ()
    l3: tuple[Cores, ...] = ()
    gpus: Gpus | None = None
    gpu_affinity: tuple[GpuAffinity, ...] = ()
    mem_gb: Fact[int] | None = None
    nics: tuple[str, ...] = ()

    def usable_cores(self) -> tuple[int, ...]:
        """Core numbers that a job may use; empty where they are not known."""
        if self.reserved_cores.value is None:
            return ()
        reserved = set(self.reserved_cores.value)
        return tuple(core for core in range(self.cores.value or 0) if core not in reserved)


class CpuList(Sourced):
    """Cores of the ranks of a node, `4-7:8-11:…`, where no rule gives them."""

    value: RankList


class CpuBind(Sourced):
    """How ranks are bound to cores.

    `order: cores` gives consecutive cores to consecutive ranks, `order: gpus` gives rank i the
    cores of GPU i. `lists` stand in place of both; the first one with the cores per rank that are
    asked for is used, else the first.
    """

    style: Literal["c_flag", "mask_cpu", "map_cpu", "list", "depth", "none"]
    order: Literal["cores", "gpus"] = "cores"
    lists: tuple[CpuList, ...] = ()
    full_nodes_only: bool = False


class MasterAddr(Sourced):
    cmd: Line
    suffix: str = ""
    iface: Line | None = None


class Launch(Sourced):
    """How ranks are started; deploy/launching.py names what `template` may use in braces."""

    cmd: Literal["srun", "mpiexec_pals", "flux_run", "ibrun", "mpirun", "torchrun", "direct"]
    template: str
    template_cpu: str | None = None  # for ranks without GPUs, where the launcher must know
    cpu_bind: CpuBind = CpuBind(style="none")
    gpu_select: Literal[
        "scheduler_closest",
        "scheduler_map_shared",
        "mask_wrapper",
        "torch_set_device",
        "mpibind",
        "single",
        "none",
    ] = "none"
    isolates_devices: bool = False
    allow_task_sharing: bool = False
    rank_env: dict[Literal["rank", "local_rank", "world"], str] = Field(default_factory=dict)
    rank_env_inside_step: bool = False
    master_addr: MasterAddr | None = None
    master_port: Fact[int] | None = None
    torchrun_ok: Fact[bool] = Fact[bool](value=True)
    max_nodes: int | None = None  # more needs facts that nobody has found yet
    alone_without: bool = False  # a single rank is started without the launcher
    cores_per_rank: Fact[int] = Fact[int](value=1)  # of ranks that have no GPU


class Injection(Sourced):
    """What brings the machine's MPI, network and GPU libraries into a container.

    `env` are variables of the container runtime, `libs` are libraries that Apptainer takes along.
    """

    name: Line
    why: Line
    binds: tuple[Line, ...] = ()
    libs: tuple[Line, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    modules: tuple[Line, ...] = ()
    flags: tuple[Line, ...] = ()
    conflicts: tuple[Line, ...] = ()
    when: Condition | None = None
    by_name: bool = False  # only where a person asks for it


class MpiAbi(Part):
    family: Literal["mpich", "openmpi"]
    version_range: Annotated[str, Field(pattern=r"^[<>=!~]+[\d.]+(,[<>=!~]+[\d.]+)*$")]


class Container(Sourced):
    runtime: Fact[Literal["apptainer", "singularity", "podman-hpc", "shifter", "pyxis", "none"]]
    module_paths: tuple[Line, ...] = ()
    modules_build: tuple[Line, ...] = ()
    modules_run: tuple[Line, ...] = ()
    gpu_flag: Line | None = None
    exec_flags: tuple[Line, ...] = ()
    fakeroot: bool = False
    injections: tuple[Injection, ...] = ()
    mpi_abi: Fact[MpiAbi] | None = None
    where_to_build: Literal["login", "compute", "offsite"] | None = None
    glibc: Fact[Annotated[str, Field(pattern=r"^\d+\.\d+$")]] | None = None
    fabric: Literal["native", "tcp_only", "unverified"] = "native"


class EnvVar(Sourced):
    """An environment variable of the ranks; the value may use $USER and $JOB_ID."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: Line
    why: Line
    when: Condition | None = None
    provided_by: Literal["module", "us"] = "us"
    directory: bool = False  # made on every node before the ranks start


class Module(Sourced):
    name: Line
    why: Line
    when: Condition | None = None


class Ccl(Sourced):
    backend: Literal["nccl", "rccl", "xccl"]
    plugin_path: Fact[str] | None = None
    plugin_name_env: Fact[str] | None = None


class NodeLocal(Sourced):
    path: Line
    request: Line | None = None
    size_gb: int | None = None
    shared_between_users: bool = False


class Filesystems(Sourced):
    """File systems that a job must name, and those that exist."""

    known: tuple[Line, ...]
    default: Line


class Storage(Sourced):
    """Paths may use $ACCOUNT, $USER, $HOME, which the script resolves, $SCRATCH and $CONFIG."""

    scratch: Fact[str]
    runs: Line = "$SCRATCH/hydria/runs/$CONFIG"
    data: Line = "$SCRATCH/hydria/data"
    flash: Fact[str] | None = None
    home: Fact[str] | None = None
    purge_days: Fact[int] | None = None
    node_local: NodeLocal | None = None
    staging: Literal["sbcast", "cp", "copper", "squashfs", "none"] = "none"
    filesystems: Filesystems | None = None


class Proxy(Sourced):
    """How data is fetched from a node; only `hydria prepare` sees these variables."""

    http_proxy: Line | None = None
    https_proxy: Line | None = None
    no_proxy: Line | None = None

    def variables(self) -> dict[str, str]:
        """Name → value of those that are given."""
        given = {name: getattr(self, name) for name in ("http_proxy", "https_proxy", "no_proxy")}
        return {name: value for name, value in given.items() if value is not None}


class Restart(Sourced):
    """How a job is warned before its walltime ends, and how it goes on afterwards."""

    signal: Literal["scheduler", "timer", "none"] = "none"
    lead_s: int = 300
    requeue: Fact[Literal["requeue_flag", "resubmit", "rerun_y", "chain", "none"]] = Fact[
        Literal["requeue_flag", "resubmit", "rerun_y", "chain", "none"]
    ](value="none")
    max: int = 5


class Charge(Sourced):
    """What the facility charges for; the first row whose condition holds counts."""

    unit: Line
    per_node_hour: float = 0.0
    per_gpu_hour: float = 0.0
    when: Condition | None = None


class Workers(Part):
    cpus_per_rank_usable: Fact[int] | None = None
    dataloader_default: Fact[int] = Fact[int](value=0)
    threads: Fact[int] | None = None


class Conflict(Sourced):
    """Two sources that disagree, or one that disagrees with itself."""

    about: str
    here: str
    elsewhere: str
    why: str


class Site(Part):
    """One machine."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    facility: str
    docs_url: str
    as_of: date
    maintainer: str
    summary: str = ""
    notes: tuple[str, ...] = ()  # printed in the header of every script
    sources: dict[str, Source] = Field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    arch: Literal["x86_64", "aarch64", "any"]
    scheduler: Scheduler
    account_required: Fact[bool] = Fact[bool](value=False)
    directives: Directives = Directives()
    memory_policy: Literal["none", "mem", "mem_per_cpu", "mem_per_gpu", "chunk"]
    select_style: Literal["nodes", "tasks", "pbs_chunk", "pbs_flat", "flux_slots"]
    queues: tuple[Queue, ...]
    any_queue: bool = False  # queues are the owner's: those asked for are not looked up
    defaults: JobConfig = JobConfig()
    node: Node
    launch: Launch
    module_paths: tuple[Line, ...] = ()
    modules: tuple[Module, ...] = ()
    container: Container
    env: tuple[EnvVar, ...] = ()
    env_unset: tuple[Line, ...] = ()
    ccl: Ccl | None = None
    storage: Storage
    proxy: Proxy = Proxy()
    restart: Restart = Restart()
    workers: Workers = Workers()
    charging: tuple[Charge, ...] = ()

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        missing = sorted(
            f"{path} cites {part.source!r}"
            for path, part in statements(self)
            if part.source is not None and part.source not in self.sources
        )
        if missing:
            raise ValueError(f"expected sources from the 'sources' table, got {'; '.join(missing)}")
        return self

    def dated(self, part: Sourced) -> date | None:
        """The day a statement was true: its own, its source's (None: undated), or the file's."""
        source = self.sources.get(part.source or "")
        return part.as_of or (source.as_of if source else self.as_of)

    def cited(self, part: Sourced) -> str:
        """Where a statement comes from, for people."""
        source = self.sources.get(part.source or "")
        return source.url if source else f"site/{self.name}.yaml"

    def short(self, part: Sourced) -> str:
        """The same in short: the key of the source and the date."""
        return f"{part.source or 'site file'}, {self.dated(part) or 'undated'}"
