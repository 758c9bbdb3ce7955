"""Devices, threads and the process group of the ranks."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from hydria.core.errors import LaunchError
from hydria.runtime import collectives
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.rendezvous import forget, rendezvous

log = logging.getLogger(__name__)

BACKENDS = {"cpu": "gloo", "cuda": "nccl", "xpu": "xccl"}
TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    """Where this rank computes and how it talks to the others.

    Attributes:
        ranks: this process among the others.
        device: where its tensors live.
        backend: what gradients travel on; None on a single process.
        gradient_group: process group for gradients; None is the default one.
    """

    ranks: Ranks
    device: torch.device
    backend: str | None = None
    gradient_group: Any = None


def choose_device(ranks: Ranks, environment: Environment) -> torch.device:
    """The device of this rank: an accelerator when there is one, by local rank.

    A launcher may show each rank one device only, which is then number 0 for all.

    Raises:
        LaunchError: when there are more ranks on the node than devices they can see.
    """
    kind = environment.device or _accelerator()
    if kind == "cpu":
        return torch.device("cpu")
    module = getattr(torch, kind)
    if not module.is_available():
        raise LaunchError(f"HYDRIA_DEVICE: expected a visible {kind} device, got none")
    count = module.device_count()
    if count > 1 and ranks.local_rank >= count:
        raise LaunchError(
            f"local rank {ranks.local_rank}: expected at most {count} ranks on this node, one for "
            f"each visible {kind} device, got {ranks.local_world_size}. "
            "Hint: start fewer ranks, or set HYDRIA_DEVICE=cpu"
        )
    device = torch.device(kind, ranks.local_rank if count > 1 else 0)
    module.set_device(device)
    return device


def _accelerator() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "xpu" if torch.xpu.is_available() else "cpu"


def set_threads(ranks: Ranks, env: Mapping[str, str]) -> int:
    """Share the cores of this node among its ranks, unless OMP_NUM_THREADS says otherwise."""
    if not env.get("OMP_NUM_THREADS"):
        cores = len(os.sched_getaffinity(0))
        # a launcher that binds its ranks has already divided the cores
        shared = cores if cores < (os.cpu_count() or cores) else cores // ranks.local_world_size
        torch.set_num_threads(max(1, shared))
    return torch.get_num_threads()


def start(ranks: Ranks, env: Mapping[str, str], environment: Environment, folder: Path) -> World:
    """Choose the device and, with more than one rank, join the process group.

    Args:
        ranks: this process among the others.
        env: the environment.
        environment: the same, as read by `read_environment`.
        folder: shared by all ranks; used to find each other when no address is given.

    Raises:
        LaunchError: when the ranks do not come together.
    """
    device = choose_device(ranks, environment)
    set_threads(ranks, env)
    if ranks.world_size == 1:
        return World(ranks, device)
    backend = environment.backend or BACKENDS[device.type]
    store = rendezvous(ranks, env, environment, folder)
    try:
        dist.init_process_group(
            backend,
            store=store,
            rank=ranks.rank,
            world_size=ranks.world_size,
            timeout=TIMEOUT,
            device_id=device if backend != "gloo" else None,
        )
        collectives.set_control_group(dist.new_group(backend="gloo", timeout=TIMEOUT))
        # on its own group, gradients and the model's sums cannot overtake each other
        gradients = dist.new_group(timeout=TIMEOUT) if backend == "gloo" else None
        collectives.barrier()
    except (RuntimeError, ValueError) as err:
        raise LaunchError(
            f"rank {ranks.rank} of {ranks.world_size}: the {backend} process group did not come "
            f"up: {str(err).splitlines()[0]}"
        ) from err
    if ranks.rank == 0:
        forget(folder, env)
    return World(ranks, device, backend, gradients)


def stop() -> None:
    """Leave the process group; harmless when there is none."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    collectives.set_control_group(None)
