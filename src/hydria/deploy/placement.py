"""Ranks on a node: which cores each one gets, and which GPU lies nearest to them."""

from __future__ import annotations

from hydria.config.site import GpuAffinity, Node
from hydria.deploy.plan import RankPlace


def place_ranks(
    node: Node, ranks: int, cores_per_rank: int | None, gpus: int
) -> tuple[RankPlace, ...]:
    """Give consecutive usable cores to consecutive ranks, as `srun -c` does.

    Returns:
        One place per rank of a node; empty where the site's cores are not described.
    """
    usable = node.usable_cores()
    if cores_per_rank is None or not node.gpu_affinity or ranks * cores_per_rank > len(usable):
        return ()
    places = []
    for rank in range(ranks):
        cores = usable[rank * cores_per_rank : (rank + 1) * cores_per_rank]
        gpu = nearest_gpu(node.gpu_affinity, cores) if gpus else None
        places.append(RankPlace(rank, cores, gpu))
    return tuple(places)


def nearest_gpu(affinity: tuple[GpuAffinity, ...], cores: tuple[int, ...]) -> int:
    """The GPU whose cores hold most of `cores`."""
    return max(affinity, key=lambda row: len(set(row.cores) & set(cores))).gpu


def core_list(cores: tuple[int, ...]) -> str:
    """`1-7,9` for (1, …, 7, 9)."""
    runs: list[list[int]] = []
    for core in cores:
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
