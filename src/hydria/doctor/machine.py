"""Processor, memory and their limits, read from /proc and /sys."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from hydria.config.facts import cores_of
from hydria.doctor.facts import Binding, Host

ROOT = Path("/")
MIB = 1024 * 1024


def host_facts(env: Mapping[str, str], root: Path = ROOT) -> Host:
    """The machine this process runs on, by the scheduler's name for it where there is one.

    `root` stands for / in tests.
    """
    memory = _memory_info(root)
    limit = memory_limit(root)
    return Host(
        name=env.get("SLURMD_NODENAME") or socket.gethostname(),
        boot_id=_read(root / "proc/sys/kernel/random/boot_id"),
        machine=platform.machine(),
        system=platform.release(),
        cpu=_cpu_name(root),
        hardware_threads=os.cpu_count() or 1,
        memory_mib=memory.get("MemTotal", 0) // 1024,
        memory_available_mib=memory.get("MemAvailable", 0) // 1024,
        memory_limit_mib=None if limit is None else limit // MIB,
        cpu_limit=cpu_limit(root),
    )


def binding_facts(env: Mapping[str, str], root: Path = ROOT) -> Binding:
    """The cores of this process; ask before numerical libraries start, they may bind it anew."""
    threads = tuple(sorted(os.sched_getaffinity(0)))
    return Binding(
        hardware_threads=threads,
        cores=tuple(sorted({_first_sibling(thread, root) for thread in threads})),
        omp_threads=_positive(env.get("OMP_NUM_THREADS", "").partition(",")[0]),
        workers=_positive(env.get("HYDRAGNN_NUM_WORKERS", "")) or 0,
    )


def _positive(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) > 0 else None


def _first_sibling(thread: int, root: Path) -> int:
    topology = root / f"sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list"
    text = _read(topology)
    return min(cores_of(text)) if text else thread


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _memory_info(root: Path) -> dict[str, int]:
    """Fields of /proc/meminfo in KiB."""
    rows = (line.partition(":") for line in _read(root / "proc/meminfo").splitlines())
    return {name: int(rest.split()[0]) for name, _, rest in rows if rest.split()}


def _cpu_name(root: Path) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes that the control groups of this process allow; None without a limit.

    A limit may stand at any level of the hierarchy: the tightest counts.
    """
    total = _memory_info(root).get("MemTotal", 0) * 1024
    found = [int(text) for text in _group_values(root, "memory", _MEMORY) if text.isdigit()]
    # version 1 writes "no limit" as a number larger than any memory
    return min((value for value in found if not total or value < total), default=None)


def cpu_limit(root: Path = ROOT) -> float | None:
    """Cores' worth of processor time that the control groups allow; None without a limit."""
    limits = []
    for text in _group_values(root, "cpu", ("cpu.max",)):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.isdigit():
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


_MEMORY = ("memory.max", "memory.limit_in_bytes")


def _group_values(root: Path, controller: str, names: tuple[str, ...]) -> Iterator[str]:
    for folder in _group_folders(root, controller):
        for name in names:
            text = _read(folder / name)
            if text:
                yield text


def _group_folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control groups, from its own up to the top, both versions."""
    top = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = top / controller if controllers else top
        group = base / path.lstrip("/")
        yield group
        yield from (above for above in group.parents if above.is_relative_to(base))
