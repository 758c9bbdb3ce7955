"""What every rank does: look around, in an order that does not spoil what is seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from hydria.doctor.devices import device_facts
from hydria.doctor.facts import Place, RankFacts
from hydria.doctor.machine import binding_facts, host_facts
from hydria.doctor.places import place_facts, places_of, read_mounts
from hydria.doctor.software import software_facts
from hydria.runtime.environment import recorded
from hydria.runtime.launch import Ranks

# How schedulers tell a process that starts no ranks how many there could be.
SCHEDULED = ("SLURM_NTASKS",)


def collect(ranks: Ranks, env: Mapping[str, str], run_dir: Path, data: Path) -> RankFacts:
    """Everything this rank sees; no step waits for another rank.

    Args:
        ranks: this process among the others.
        env: the environment.
        run_dir: where the run will write.
        data: the data root.
    """
    # before any library starts: OpenMP binds the process to part of its cores
    binding = binding_facts(env)
    software = software_facts(env)
    return RankFacts(
        ranks=ranks,
        scheduled_tasks=_scheduled(ranks, env),
        host=host_facts(env),
        binding=binding,
        devices=device_facts(ranks, env),
        software=software,
        places=_places(env, run_dir, data) if ranks.local_rank == 0 else (),
        time=time.time(),
        environment=recorded(env),
    )


def _scheduled(ranks: Ranks, env: Mapping[str, str]) -> int:
    counts = [int(env[name]) for name in SCHEDULED if env.get(name, "").isdigit()]
    return max(counts, default=1) if ranks.source == "single" else 1


def _places(env: Mapping[str, str], run_dir: Path, data: Path) -> tuple[Place, ...]:
    mounts = read_mounts()
    return tuple(place_facts(role, path, mounts) for role, path in places_of(env, run_dir, data))
