"""Where ranks meet: an address the launcher gave, or one that rank 0 publishes in a shared folder.

Rank 0 binds a free port first and publishes it afterwards, so that no other program can take the
port in between; the others take what they find only when the store behind it knows the nonce
that was published with it (a file left over from a killed run leads nowhere).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from hydria.core.errors import LaunchError
from hydria.core.files import write_json_atomic
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks, launch_id

Store = Any  # torch does not tell type checkers about its stores
TIMEOUT_S = 120.0
PROBE_S = 3.0
POLL_S = 0.05
DEFAULT_PORT = 29500


def rendezvous(
    ranks: Ranks,
    env: Mapping[str, str],
    environment: Environment,
    folder: Path,
    timeout_s: float = TIMEOUT_S,
) -> Store:
    """Open the store through which the process group of `ranks` is made.

    Order: MASTER_ADDR and MASTER_PORT (torchrun and job scripts set them), HYDRAGNN_MASTER_ADDR
    and HYDRAGNN_MASTER_PORT, else a port that rank 0 publishes in `folder`.

    Args:
        ranks: this process among the others.
        env: the environment.
        environment: the same, as read by `read_environment`.
        folder: a folder that all ranks can read and rank 0 can write.
        timeout_s: how long to wait for the others.

    Raises:
        LaunchError: when the ranks do not find each other in time.
    """
    address = _given_address(env, environment)
    if address is None:
        return _publish_or_find(ranks, env, folder, timeout_s)
    host, port = address
    # torchrun's agent keeps the store itself; its workers are all clients
    serves = ranks.rank == 0 and env.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        return _tcp_store(host, port, ranks, serves, timeout_s)
    except (RuntimeError, OSError) as err:
        raise LaunchError(
            f"rank {ranks.rank} of {ranks.world_size}: no rendezvous at {host}:{port} within "
            f"{timeout_s:.0f} s. Hint: is the port free on that host, and do all ranks run? "
            f"({_first_line(err)})"
        ) from err


def _given_address(env: Mapping[str, str], environment: Environment) -> tuple[str, int] | None:
    if env.get("MASTER_ADDR") and env.get("MASTER_PORT"):
        if not env["MASTER_PORT"].isdigit():
            raise LaunchError(f"MASTER_PORT: expected a number, got {env['MASTER_PORT']!r}")
        return env["MASTER_ADDR"], int(env["MASTER_PORT"])
    if environment.master_addr or environment.master_port:
        return environment.master_addr or "127.0.0.1", environment.master_port or DEFAULT_PORT
    return None


def _tcp_store(host: str, port: int, ranks: Ranks, serves: bool, timeout_s: float) -> Store:
    store = TCPStore(
        host,
        port,
        world_size=ranks.world_size,
        is_master=serves,
        timeout=timedelta(seconds=timeout_s),
        wait_for_workers=False,
    )
    store.set_timeout(timedelta(seconds=max(timeout_s, 300)))
    return store


def _publish_or_find(ranks: Ranks, env: Mapping[str, str], folder: Path, timeout_s: float) -> Store:
    path = folder / f".rendezvous-{launch_id(env)}.json"
    if ranks.rank == 0:
        return _publish(path, ranks, timeout_s)
    return _find(path, ranks, timeout_s)


def _publish(path: Path, ranks: Ranks, timeout_s: float) -> Store:
    store = _tcp_store("127.0.0.1", 0, ranks, True, timeout_s)
    nonce = secrets.token_hex(8)
    store.set("hydria/nonce", nonce)
    hosts = ["127.0.0.1"] if ranks.local_world_size == ranks.world_size else _own_addresses()
    try:
        write_json_atomic(path, {"hosts": hosts, "port": store.port, "nonce": nonce})
    except OSError as err:
        raise LaunchError(f"{path}: the ranks cannot meet here: {err.strerror or err}") from err
    return store


def _own_addresses() -> list[str]:
    """Names and addresses under which other nodes may reach this one, the likeliest first."""
    name = socket.gethostname()
    found = [socket.getfqdn(), name]
    with suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(name, None, socket.AF_INET)]
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; asks which interface leads outside
        found.append(str(probe.getsockname()[0]))
    return list(dict.fromkeys(found))


def _find(path: Path, ranks: Ranks, timeout_s: float) -> Store:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        store = _try_published(path, ranks, deadline - time.monotonic())
        if store is not None:
            return store
        time.sleep(POLL_S)
    raise LaunchError(
        f"rank {ranks.rank} of {ranks.world_size}: rank 0 did not appear in {path.parent} within "
        f"{timeout_s:.0f} s. Hint: all ranks need this folder (a shared file system); "
        "or set MASTER_ADDR and MASTER_PORT"
    )


def _try_published(path: Path, ranks: Ranks, left_s: float) -> Store | None:
    try:
        published = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    for host in published["hosts"]:
        if not _answers(host, published["port"]):
            continue
        with suppress(RuntimeError):  # somebody else's server behind a stale file
            store = _tcp_store(host, published["port"], ranks, False, max(left_s, PROBE_S))
            if _knows(store, published["nonce"]):
                return store
    return None


def _knows(store: Store, nonce: str) -> bool:
    return bool(store.check(["hydria/nonce"])) and store.get("hydria/nonce").decode() == nonce


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PROBE_S):
            return True
    except OSError:
        return False


def forget(folder: Path, env: Mapping[str, str]) -> None:
    """Remove what rank 0 published, once all ranks have met."""
    with suppress(OSError):
        os.unlink(folder / f".rendezvous-{launch_id(env)}.json")


def _first_line(err: Exception) -> str:
    return str(err).splitlines()[0] if str(err) else type(err).__name__
