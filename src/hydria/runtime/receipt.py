"""`receipt.json`: what really ran, where, and from which code."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from hydria.runtime import collectives
from hydria.runtime.environment import Environment, recorded
from hydria.runtime.process_group import World
from hydria.runtime.versions import git_revision, versions


def make_receipt(
    world: World, environment: Environment, env: Mapping[str, str], config: Mapping[str, Any]
) -> dict[str, Any]:
    """All that is needed to tell two runs apart; every rank must call it.

    Args:
        world: device and process group of this rank.
        environment: the honoured variables.
        env: the environment they came from.
        config: the resolved config, JSON-able.
    """
    placements = collectives.gather_objects(_placement(world))
    return {
        "command": sys.argv,
        "host": socket.gethostname(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": versions(),
        "git": git_revision(),
        "launch": world.ranks.source,
        "world_size": world.ranks.world_size,
        "backend": world.backend,
        "ranks": placements,
        "honoured": asdict(environment),
        "environment": recorded(env),
        "config_sha256": config_hash(config),
        "container": env.get("APPTAINER_CONTAINER") or env.get("SINGULARITY_CONTAINER"),
    }


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of a config, the same whatever the order of its keys."""
    text = json.dumps(config, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _placement(world: World) -> dict[str, Any]:
    device = world.device
    name = platform.processor() or platform.machine()
    if device.type != "cpu":
        name = getattr(torch, device.type).get_device_name(device)
    return {
        "rank": world.ranks.rank,
        "host": socket.gethostname(),
        "device": str(device),
        "device_name": name,
        "cores": sorted(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
    }
