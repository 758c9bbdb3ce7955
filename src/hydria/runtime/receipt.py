"""`receipt.json`: what really ran, where, and from which code."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from hydria._version import __version__
from hydria.runtime import collectives
from hydria.runtime.environment import Environment, recorded
from hydria.runtime.process_group import World

PACKAGES = ("torch", "torch-geometric", "numpy", "vesin", "ase", "adios2", "mpi4py", "pydantic")


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


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of what computes."""
    found = {"hydria": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name in ("cuda", "hip"):
        if getattr(torch.version, name, None):
            found[name] = getattr(torch.version, name)
    return found


def git_revision() -> str | None:
    """Revision of the checkout this package runs from, `-dirty` when changed; None elsewhere."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


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
