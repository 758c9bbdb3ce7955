"""A node that is not here: its name and processors, for a process that asks its kernel for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.support.shims.rules import MACHINES, Rules

MEMORY = "MemTotal: 536870912 kB\nMemAvailable: 500000000 kB\n"


def write_node(root: Path, machine: Rules) -> None:
    """The files of a node's /sys and /proc; thread i + cores is the second one of core i."""
    for core in range(machine.cores):
        siblings = range(core, machine.cores * machine.smt, machine.cores)
        for thread in siblings:
            folder = root / f"sys/devices/system/cpu/cpu{thread}/topology"
            folder.mkdir(parents=True)
            (folder / "thread_siblings_list").write_text(",".join(map(str, siblings)) + "\n")
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(MEMORY)


def be_on_node(env: Mapping[str, str]) -> None:
    """From here on the doctor in this process sees what a launcher says in `env`.

    SHIMS_HOST is the node's name; SHIMS_THREADS are the hardware threads this process is bound to,
    unset where a real launcher has bound it.
    """
    vars(socket).update(gethostname=lambda: env["SHIMS_HOST"])
    if "SHIMS_THREADS" not in env:
        return
    from hydria.doctor import collect, machine

    rules, root = MACHINES[env["SHIMS_MACHINE"]], Path(env["SHIMS"], "node")
    threads = {int(thread) for thread in env["SHIMS_THREADS"].split(",")}
    vars(os).update(sched_getaffinity=lambda _: threads, cpu_count=lambda: rules.cores * rules.smt)
    vars(collect).update(
        binding_facts=partial(machine.binding_facts, root=root),
        host_facts=partial(machine.host_facts, root=root),
    )
