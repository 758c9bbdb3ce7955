"""What each machine is like and insists on; by hand, from the facilities' guides."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """One machine.

    Attributes:
        kind: slurm, pbs or flux.
        cores: of a node, whole ones.
        reserved: cores that a job never gets.
        gpus: what the scheduler counts as GPUs of a node.
        nearest: the cores near each GPU as (first core, last core), by GPU.
        smt: hardware threads of a core.
        threads: what `-c` counts for each core.
        shows: the variable in which the launcher tells a rank its GPUs.
        needs: directives without which a job is refused.
        rejects: flags that are refused.
        execution_queues: queues of PBS that take no jobs from people.
        routes: queues that drop a job silently unless it fits a (nodes, hours) row.
    """

    kind: str
    cores: int
    reserved: frozenset[int] = frozenset()
    gpus: int = 0
    nearest: tuple[tuple[int, int], ...] = ()
    smt: int = 2
    threads: int = 1
    shows: str = ""
    needs: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()
    execution_queues: frozenset[str] = frozenset()
    routes: tuple[tuple[str, tuple[tuple[int, int, int], ...]], ...] = ()

    def usable(self) -> list[int]:
        return [core for core in range(self.cores) if core not in self.reserved]


NVIDIA, AMD = "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"
# OLCF and LUMI: the L3 regions 0 … 7 are next to the GPUs 4, 5, 2, 3, 6, 7, 0, 1.
MI250X = tuple((8 * region, 8 * region + 7) for region in (6, 7, 2, 3, 0, 1, 4, 5))
FIRST_OF_L3 = frozenset(range(0, 64, 8))
# Three of the 24 cores of each MI300A are not for jobs; that they are the first is a guess.
FIRST_OF_APU = frozenset(24 * apu + core for apu in range(4) for core in range(3))
BASICS = ("--nodes", "--time")
PBS_BASICS = ("-l select", "-l walltime")
ALCF = (*PBS_BASICS, "-l filesystems", "-A", "-q")

MACHINES = {
    "andes": Rules("slurm", 32, needs=(*BASICS, "--account")),
    "aurora": Rules(
        "pbs", 104, frozenset({0, 52}), 12, needs=ALCF, rejects=("-V",),
        nearest=tuple((0, 51) for _ in range(6)) + tuple((52, 103) for _ in range(6)),
        execution_queues=frozenset({"small", "medium", "large"}),
        routes=(("prod", ((256, 1024, 12), (1025, 1999, 18), (2000, 10624, 24))),),
    ),
    "aws-parallelcluster": Rules(
        "slurm", 96, gpus=8, needs=("--nodes",), rejects=("--mem",), shows=NVIDIA
    ),
    "frontier": Rules(
        "slurm", 64, FIRST_OF_L3, 8, MI250X, needs=(*BASICS, "--account"), rejects=("--stepmgr",),
        shows=AMD,
    ),
    "generic-pbs": Rules("pbs", 8, needs=PBS_BASICS),
    "generic-slurm": Rules("slurm", 8, needs=BASICS),
    "juwels-booster": Rules(
        "slurm", 48, gpus=4, needs=(*BASICS, "--account", "--partition", "--gres"), shows=NVIDIA
    ),
    "katana": Rules("pbs", 24, gpus=2, needs=PBS_BASICS),
    "leonardo": Rules(
        "slurm", 32, gpus=4, smt=1, needs=(*BASICS, "--account", "--partition", "--gres"),
        shows=NVIDIA,
    ),
    "lumi": Rules(
        "slurm", 64, FIRST_OF_L3, 8, MI250X, needs=(*BASICS, "--account", "--partition"), shows=AMD
    ),
    "perlmutter": Rules(
        "slurm", 64, gpus=4, threads=2, needs=(*BASICS, "--account", "--constraint", "--qos"),
        nearest=((48, 63), (32, 47), (16, 31), (0, 15)), rejects=("--gpus-per-task",), shows=NVIDIA,
    ),
    "polaris": Rules(
        "pbs", 32, gpus=4, nearest=((24, 31), (16, 23), (8, 15), (0, 7)), needs=ALCF,
        rejects=("-V",), execution_queues=frozenset({"small", "medium", "large"}),
        routes=(("prod", ((10, 24, 3), (25, 99, 6), (100, 496, 24))),),
    ),
    "tuolumne": Rules(
        "flux", 96, FIRST_OF_APU, 4, tuple((24 * apu, 24 * apu + 23) for apu in range(4)),
        needs=("--nodes", "--time-limit", "--queue"), shows=AMD,
    ),
    "vista": Rules(
        "slurm", 72, gpus=1, smt=1, needs=(*BASICS, "--partition", "--ntasks-per-node"),
        rejects=("--gres", "--gpus-per-task", "--mem", "--export"),
    ),
}  # fmt: skip
