"""Ranks on a node: which cores each one gets, and which GPU it uses."""

from __future__ import annotations

from hydria.config.facts import ranks_of
from hydria.config.site import CpuList, GpuAffinity, Launch, Node
from hydria.deploy.plan import RankPlace

# Ranks that see every GPU of the node and take the one of their own number.
BY_LOCAL_RANK = frozenset({"torch_set_device", "single"})


def place_ranks(
    node: Node, launch: Launch, ranks: int, cores_per_rank: int | None, gpus: int
) -> tuple[RankPlace, ...]:
    """The cores and the GPU of each rank of a node, by the site's way of binding.

    Returns:
        One place per rank; empty where nothing is bound, or the node is not described.
    """
    sets = _core_sets(node, launch, ranks, cores_per_rank)
    return tuple(
        RankPlace(rank, cores, _gpu(node, launch, rank, cores) if gpus else None)
        for rank, cores in enumerate(sets)
    )


def _core_sets(
    node: Node, launch: Launch, ranks: int, cores_per_rank: int | None
) -> tuple[tuple[int, ...], ...]:
    bind = launch.cpu_bind
    if bind.lists:
        listed = ranks_of(chosen_list(launch, cores_per_rank).value)
        return listed[:ranks] if ranks <= len(listed) else ()
    if cores_per_rank is None or not node.gpu_affinity:
        return ()
    if bind.order == "gpus":
        return _by_gpu(node, ranks, cores_per_rank)
    if launch.gpu_select == "mpibind":
        return _whole_domains(node, ranks)
    if bind.style == "none":
        return ()
    usable = node.usable_cores()
    if ranks * cores_per_rank > len(usable):
        return ()
    return tuple(
        usable[rank * cores_per_rank : (rank + 1) * cores_per_rank] for rank in range(ranks)
    )


def _by_gpu(node: Node, ranks: int, cores_per_rank: int) -> tuple[tuple[int, ...], ...]:
    near = _near_each_gpu(node)
    if any(rank not in near or len(near[rank]) < cores_per_rank for rank in range(ranks)):
        return ()
    return tuple(near[rank][-cores_per_rank:] for rank in range(ranks))


def _whole_domains(node: Node, ranks: int) -> tuple[tuple[int, ...], ...]:
    """All cores near GPU i for rank i; what becomes of fewer ranks than GPUs is not known."""
    near = _near_each_gpu(node)
    return tuple(near[rank] for rank in range(ranks)) if ranks == len(near) else ()


def _near_each_gpu(node: Node) -> dict[int, tuple[int, ...]]:
    """The usable cores near each GPU; empty where they are not known."""
    usable = set(node.usable_cores())
    near = {row.gpu: tuple(sorted(usable & set(row.cores))) for row in node.gpu_affinity}
    return near if usable else {}


def chosen_list(launch: Launch, cores_per_rank: int | None) -> CpuList:
    """The list that gives each rank as many cores as are asked for, else the first."""
    lists = launch.cpu_bind.lists
    fitting = (row for row in lists if len(ranks_of(row.value)[0]) == cores_per_rank)
    return next(fitting, lists[0])


def _gpu(node: Node, launch: Launch, rank: int, cores: tuple[int, ...]) -> int | None:
    if launch.gpu_select in BY_LOCAL_RANK:
        return rank
    return nearest_gpus(node.gpu_affinity, cores)[0] if node.gpu_affinity else None


def nearest_gpus(affinity: tuple[GpuAffinity, ...], cores: tuple[int, ...]) -> list[int]:
    """The GPUs whose cores hold most of `cores`; several where a domain has several."""
    shared = {row.gpu: len(set(row.cores) & set(cores)) for row in affinity}
    most = max(shared.values())
    return [gpu for gpu, count in shared.items() if count == most]


def core_list(cores: tuple[int, ...]) -> str:
    """`1-7,9` for (1, …, 7, 9)."""
    runs: list[list[int]] = []
    for core in cores:
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
