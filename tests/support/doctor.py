"""What ranks saw, made up: a healthy job, of which a test changes one thing."""

from __future__ import annotations

from typing import Any

from hydria.doctor.facts import Binding, Devices, Host, Place, RankFacts, Software
from hydria.runtime.launch import Ranks

HOST = Host(
    name="n0", boot_id="boot-0", machine="x86_64", system="6.1", cpu="EPYC", hardware_threads=8,
    memory_mib=65536, memory_available_mib=60000, memory_limit_mib=None, cpu_limit=None,
)  # fmt: skip
SOFTWARE = Software(
    versions={
        "hydria": "0.1.0", "torch": "2.9", "torch-geometric": "2.7", "numpy": "2.3",
        "vesin": "0.6", "ase": "3.29",
    },
    mpi="MPICH 4.1", backends=("gloo", "nccl"),
)  # fmt: skip
RUN_FOLDER = Place(
    role="run folder", path="/scratch/run", probed="/scratch/run", kind="lustre", shared=True,
    free_mib=500_000, free_inodes=None, probe_ms=3.0, clock_offset_s=0.01,
)  # fmt: skip
NOW = 1_800_000_000.0


def rank_facts(rank: int, world_size: int = 4, per_node: int = 2, **changes: Any) -> RankFacts:
    """Rank `rank` of a job with two cores and one GPU per rank; `changes` replaces whole groups."""
    node, local = divmod(rank, per_node)
    cores = (2 * local, 2 * local + 1)
    host = {"name": f"n{node}", "boot_id": f"boot-{node}"}
    facts = RankFacts(
        ranks=Ranks(rank, world_size, local, per_node, node, "Slurm"),
        scheduled_tasks=1,
        host=HOST.model_copy(update=host),
        binding=Binding(hardware_threads=cores, cores=cores, omp_threads=1, workers=0),
        devices=Devices(
            kind="cuda", names=("A100",), memory_mib=(40960,), chosen=0, number=local,
            number_from="PCI order", identity=f"uuid-{node}-{local}",
        ),
        software=SOFTWARE,
        places=(RUN_FOLDER,) if local == 0 else (),
        time=NOW,
        environment={},
    )  # fmt: skip
    return facts.model_copy(update=changes)


def job_facts(world_size: int = 4, per_node: int = 2) -> list[RankFacts]:
    return [rank_facts(rank, world_size, per_node) for rank in range(world_size)]
