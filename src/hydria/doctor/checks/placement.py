"""Checks of cores, threads and devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hydria.deploy.placement import core_list
from hydria.doctor.facts import RankFacts
from hydria.doctor.finding import Said, Seen, fault, ok, warning

BIND_ADVICE = "bind them: srun -c N --cpu-bind=cores, mpiexec --cpu-bind"


def check_binding(seen: Seen) -> Iterator[Said]:
    """Ranks of a node have cores of their own, or none is bound at all."""
    told: list[Said] = []
    for name, ranks in seen.nodes():
        told += _shared_cores(name, ranks)
    yield from told
    if not told:
        first = seen.first.binding
        bound = len(first.hardware_threads) < seen.first.host.hardware_threads
        how = f"bound to cores {core_list(first.cores)}" if bound else "not bound"
        yield ok(f"rank {seen.first.ranks.rank}: {how}")


def _shared_cores(name: str, ranks: list[RankFacts]) -> Iterator[Said]:
    sets = [set(facts.binding.cores) for facts in ranks]
    if len(ranks) < 2 or all(len(cores) == _cores_of(ranks[0]) for cores in sets):
        return  # nobody is bound: threads are divided by the trainer
    users = Counter(core for cores in sets for core in cores)
    shared = tuple(sorted(core for core, count in users.items() if count > 1))
    if shared:
        yield warning(
            f"{name}: ranks share the cores {core_list(shared)}",
            BIND_ADVICE,
            [facts.ranks.rank for facts in ranks if set(facts.binding.cores) & set(shared)],
        )


def _cores_of(facts: RankFacts) -> int:
    """Cores of the node, by the threads that this rank's cores have."""
    binding = facts.binding
    per_core = len(binding.hardware_threads) // len(binding.cores)
    return facts.host.hardware_threads // per_core


def check_threads(seen: Seen) -> Iterator[Said]:
    """Threads and loader workers of the ranks fit on the cores they are bound to."""
    said = False
    for name, ranks in seen.nodes():
        cores = set().union(*(facts.binding.hardware_threads for facts in ranks))
        busy = sum((facts.binding.omp_threads or 0) + facts.binding.workers for facts in ranks)
        over = [facts.ranks.rank for facts in ranks if _threads(facts) > _allowed(facts)]
        if over or busy > len(cores):
            said = True
            yield warning(
                f"{name}: {busy} threads and loader workers of {len(ranks)} ranks "
                f"on {len(cores)} hardware threads",
                "lower OMP_NUM_THREADS or HYDRAGNN_NUM_WORKERS, or bind more cores to a rank",
                over,
            )
    if not said:
        first = seen.first.binding
        threads = "unset: the trainer divides the cores" if first.omp_threads is None else None
        yield ok(f"OMP_NUM_THREADS {threads or first.omp_threads}, workers {first.workers}")


def _threads(facts: RankFacts) -> int:
    return (facts.binding.omp_threads or 0) + facts.binding.workers


def _allowed(facts: RankFacts) -> int:
    return len(facts.binding.hardware_threads)


def check_devices(seen: Seen) -> Iterator[Said]:
    """Every rank has a device of its own, of the same kind as the others."""
    told = [*_device_errors(seen), *_forced_cpu(seen), *_kinds(seen)]
    for name, ranks in seen.nodes():
        told += _shared_devices(name, ranks)
    yield from told
    if not told:
        yield ok(_describe(seen.first))


def _device_errors(seen: Seen) -> Iterator[Said]:
    messages: dict[str, list[int]] = {}
    for facts in seen.ranks:
        if facts.devices.error is not None:
            messages.setdefault(facts.devices.error, []).append(facts.ranks.rank)
    for message, ranks in messages.items():
        yield fault(message, "see which devices the launcher shows to each rank", ranks)


def _forced_cpu(seen: Seen) -> Iterator[Said]:
    planned = seen.plan is not None and any(p.gpu is not None for p in seen.plan.placement)
    if planned and seen.first.devices.forced_cpu:
        yield warning(
            "HYDRIA_DEVICE=cpu, though the plan gives every rank a GPU", "unset it to use them"
        )


def _kinds(seen: Seen) -> Iterator[Said]:
    kinds: dict[str, list[int]] = {}
    for facts in seen.ranks:
        if facts.devices.error is None:
            kinds.setdefault(_model(facts), []).append(facts.ranks.rank)
    if len(kinds) > 1:
        told = "; ".join(f"{len(ranks)} ranks: {kind}" for kind, ranks in kinds.items())
        fewest = min(kinds.values(), key=len)
        yield fault(f"ranks have different devices: {told}", "leave the odd nodes out", fewest)


def _shared_devices(name: str, ranks: list[RankFacts]) -> Iterator[Said]:
    users: dict[str, list[int]] = {}
    for facts in ranks:
        if facts.devices.identity is not None:
            users.setdefault(facts.devices.identity, []).append(facts.ranks.rank)
    for identity, sharing in users.items():
        if len(sharing) > 1:
            yield fault(
                f"{name}: {len(sharing)} ranks would use the same device ({identity})",
                "start one rank per device, or show each rank another one",
                sharing,
            )


def _model(facts: RankFacts) -> str:
    devices = facts.devices
    if devices.chosen is None:
        return devices.kind or "none that could be asked"
    return f"{devices.kind} {devices.names[devices.chosen]}"


def _describe(facts: RankFacts) -> str:
    devices = facts.devices
    if devices.kind is None:
        return "torch is not installed: only variables tell of devices"
    if devices.chosen is None:
        return "no accelerator: training uses the CPU"
    memory = devices.memory_mib[devices.chosen] / 1024
    return f"{_model(facts)}, {memory:.0f} GiB; {len(devices.names)} visible to a rank"
