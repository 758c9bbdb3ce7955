"""A script as one rank of many."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from hydria.core.errors import ConfigError, Problem
from hydria.runtime import process_group
from hydria.runtime.environment import read_environment
from hydria.runtime.launch import detect_ranks
from hydria.runtime.process_group import World

_joined: list[World] = []


def join() -> World:
    """Where this process stands among the ranks of its launcher; joins them the first time."""
    if not _joined:
        env = os.environ
        _joined.append(process_group.start(detect_ranks(env), env, read_environment(env), Path()))
        atexit.register(process_group.stop)
    return _joined[0]


def setup_ddp(use_deepspeed: bool = False) -> tuple[int, int]:
    """Join the other ranks.

    Returns:
        Number of ranks, and the rank of this process.
    """
    refuse_deepspeed(use_deepspeed)
    ranks = join().ranks
    return ranks.world_size, ranks.rank


def get_comm_size_and_rank() -> tuple[int, int]:
    """Number of ranks, and the rank of this process, as the launcher says; joins nobody."""
    ranks = detect_ranks(os.environ)
    return ranks.world_size, ranks.rank


def refuse_deepspeed(use_deepspeed: bool) -> None:
    """Raise ConfigError when DeepSpeed is asked for."""
    if use_deepspeed:
        raise ConfigError([Problem("use_deepspeed", "expected False: DeepSpeed is not available")])
