"""Processor, memory and limits, from a made-up /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hydria.doctor.machine import binding_facts, cpu_limit, host_facts, memory_limit

GIB = 1024**3


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n")
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel name\t: EPYC 7A53\n")
    write(tmp_path, "proc/sys/kernel/random/boot_id", "abc\n")
    return tmp_path


def test_tightest_group_above_this_one_limits_memory(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/slurm/job_1/step_0\n")
    write(root, "sys/fs/cgroup/slurm/job_1/step_0/memory.max", "max\n")
    write(root, "sys/fs/cgroup/slurm/job_1/memory.max", f"{2 * GIB}\n")
    write(root, "sys/fs/cgroup/slurm/memory.max", f"{4 * GIB}\n")
    assert memory_limit(root) == 2 * GIB
    assert host_facts({}, root).memory_limit_mib == 2048


def test_version_1_groups_are_read_and_their_no_limit_is_none(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert memory_limit(root) is None
    write(root, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", f"{GIB}\n")
    assert memory_limit(root) == GIB


@pytest.mark.parametrize(("text", "cores"), [("max 100000\n", None), ("150000 100000\n", 1.5)])
def test_processor_time_may_be_limited(root: Path, text: str, cores: float | None) -> None:
    write(root, "proc/self/cgroup", "0::/job\n")
    write(root, "sys/fs/cgroup/job/cpu.max", text)
    assert cpu_limit(root) == cores


def test_host_is_named_by_the_scheduler(root: Path) -> None:
    host = host_facts({"SLURMD_NODENAME": "frontier00123"}, root)
    assert (host.name, host.cpu, host.boot_id) == ("frontier00123", "EPYC 7A53", "abc")
    assert (host.memory_mib, host.memory_available_mib) == (8192, 4096)


def test_hardware_threads_of_a_core_count_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 64, 65})
    for thread in (0, 1, 64, 65):
        file = f"sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list"
        write(root, file, f"{thread % 64},{thread % 64 + 64}\n")
    binding = binding_facts({"OMP_NUM_THREADS": "2,1", "HYDRAGNN_NUM_WORKERS": "3"}, root)
    assert binding.hardware_threads == (0, 1, 64, 65)
    assert binding.cores == (0, 1)
    assert (binding.omp_threads, binding.workers) == (2, 3)


@pytest.mark.parametrize("text", ["", "0", "many"])
def test_thread_count_that_is_none_counts_as_unset(text: str) -> None:
    assert binding_facts({"OMP_NUM_THREADS": text}).omp_threads is None
