"""What one rank saw: plain values that travel as JSON to rank 0."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from hydria.runtime.launch import Ranks


class Facts(BaseModel):
    """A group of facts: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Host(Facts):
    """The machine; memory in MiB, `memory_limit_mib` the tightest of its control groups.

    `boot_id` is the kernel's: containers and virtual nodes of one machine share it.
    """

    name: str
    boot_id: str
    machine: str
    system: str
    cpu: str
    hardware_threads: int
    memory_mib: int
    memory_available_mib: int
    memory_limit_mib: int | None
    cpu_limit: float | None
    """Cores' worth of time that the control groups allow; None without a limit."""


class Binding(Facts):
    """Where this rank may run.

    Attributes:
        hardware_threads: numbers of the hardware threads, as the system counts them.
        cores: the same with every thread named by the first thread of its core.
        omp_threads: OMP_NUM_THREADS; None when unset or no number.
        workers: HYDRAGNN_NUM_WORKERS, threads that assemble batches.
    """

    hardware_threads: tuple[int, ...]
    cores: tuple[int, ...]
    omp_threads: int | None
    workers: int


class Devices(Facts):
    """The accelerators this rank sees.

    Attributes:
        kind: cpu, cuda, rocm or xpu; None where torch could not be asked.
        names: one per visible device.
        memory_mib: one per visible device.
        chosen: index among the visible ones that training would take.
        number: the node's number of the chosen device, None when it cannot be told.
        number_from: what told it, such as CUDA_VISIBLE_DEVICES.
        identity: what no two devices of a node share.
        forced_cpu: HYDRIA_DEVICE=cpu.
        variables: those that hide devices.
        error: why no device could be chosen.
    """

    kind: str | None = None
    names: tuple[str, ...] = ()
    memory_mib: tuple[int, ...] = ()
    chosen: int | None = None
    number: int | None = None
    number_from: str = ""
    identity: str | None = None
    forced_cpu: bool = False
    variables: dict[str, str] = {}
    error: str | None = None


class Software(Facts):
    """Versions, and what could not be imported."""

    versions: dict[str, str]
    mpi: str | None = None
    backends: tuple[str, ...] = ()
    broken: dict[str, str] = {}
    container: str | None = None


class Place(Facts):
    """A folder that a run writes to.

    Attributes:
        role: run folder, data, temporary files, or the variable that names it.
        probed: `path`, or the nearest folder above it that exists.
        shared: whether other nodes see it; None when its type does not tell.
        probe_ms: writing, syncing, reading and deleting a small file.
        clock_offset_s: this host's clock minus the time stamp of that file.
        error: why the probe failed.
    """

    role: str
    path: str
    probed: str
    kind: str
    shared: bool | None
    free_mib: int | None = None
    free_inodes: int | None = None
    probe_ms: float | None = None
    clock_offset_s: float | None = None
    error: str | None = None


class RankFacts(Facts):
    """All that one rank saw."""

    ranks: Ranks
    scheduled_tasks: int
    """Tasks that the scheduler knows of where no launcher spoke up; 1 otherwise."""
    host: Host
    binding: Binding
    devices: Devices
    software: Software
    places: tuple[Place, ...]
    """Probed by the first rank of a node only."""
    time: float
    environment: dict[str, str]
