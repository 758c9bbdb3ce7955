"""srun, mpiexec of PALS, ibrun and flux run: where every rank would be, and two that train.

`hydria doctor` is started for every rank of the step, each where this launcher has put it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.shims.rules import MACHINES, Rules
from tests.support.shims.words import split_options

REAL_RANKS = 2
ON_DISKS = frozenset({"cp", "mkdir"})
SRUN = {"-N", "-n", "-c", "--nodes", "--ntasks", "--cpus-per-task"}
MPIEXEC = {"-n", "--ppn", "-ppn", "--depth", "--cpu-bind", "--hostfile"}
FLUX = {"-N", "-n", "--tasks-per-node", "-c"}
Place = dict[str, Any]


def refuse(program: str, message: str) -> None:
    print(f"{program}: error: {message}", file=sys.stderr)
    raise SystemExit(1)


def srun(machine: Rules, words: Sequence[str]) -> int:
    options, command = split_options(words, SRUN)
    for flag in machine.rejects:
        if flag in options:
            refuse("srun", f"{flag} is not allowed here")
    nodes = int(options.get("-N", os.environ["SLURM_JOB_NUM_NODES"]))
    if nodes > int(os.environ["SLURM_JOB_NUM_NODES"]):
        refuse("srun", "Requested nodes are busy")
    per_node = int(options.get("-n", str(nodes))) // nodes
    # -c of sbatch is not inherited: who does not say it again gets one
    width = int(options.get("-c", options.get("--cpus-per-task", machine.threads)))
    masks = options.get("--cpu-bind", "").removeprefix("mask_cpu:")
    if options.get("--cpu-bind", "").startswith("mask_cpu:"):
        cores = [cores_of_mask(mask) for mask in masks.split(",")]
    elif options.get("--cpu-bind") == "none":
        cores = [machine.usable()] * per_node
    else:
        cores = consecutive(machine, per_node, -(-width // machine.threads), "srun")
    alone = "--gpus-per-task" in options and options.get("--gpu-bind") != "none"
    shared = options.get("--gres-flags") == "allow-task-sharing"
    places = [placed(machine, rank, cores[rank], alone, shared) for rank in range(per_node)]
    return run(machine, nodes, places, command, slurm_env)


def mpiexec(machine: Rules, words: Sequence[str]) -> int:
    options, command = split_options(words, MPIEXEC)
    ranks = int(options["-n"])
    per_node = int(options.get("--ppn", options.get("-ppn", "1")))
    nodes = -(-ranks // per_node)
    if nodes > len(Path(os.environ["PBS_NODEFILE"]).read_text().split()):
        refuse("mpiexec", "more nodes than the job has")
    binding = options.get("--cpu-bind", "")
    if binding.startswith("list:"):
        cores = [cores_of_list(part) for part in binding[5:].split(":")]
    else:
        cores = consecutive(machine, per_node, int(options.get("--depth", "1")), "mpiexec")
    if any(set(part) & machine.reserved for part in cores):
        refuse("mpiexec", "reserved cores in --cpu-bind")
    places = [placed(machine, rank, cores[rank], False, False) for rank in range(per_node)]
    return run(machine, nodes, places, command, pals_env)


def ibrun(machine: Rules, words: Sequence[str]) -> int:
    options, command = split_options(words, {"-n", "-o"})
    nodes = int(os.environ["SLURM_JOB_NUM_NODES"])
    per_node = int(os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
    ranks = int(options.get("-n", nodes * per_node))
    places = [
        placed(machine, rank, machine.usable(), False, False) for rank in range(ranks // nodes)
    ]
    return run(machine, nodes, places, command, open_mpi_env)


def flux_run(machine: Rules, words: Sequence[str]) -> int:
    options, command = split_options(words, FLUX)
    nodes = int(options.get("-N", "1"))
    per_node = int(options.get("--tasks-per-node", int(options.get("-n", nodes)) // nodes))
    # mpibind: a rank has the cores and the memory of one APU
    width = machine.cores // machine.gpus
    usable = set(machine.usable())
    cores = [
        sorted(usable & set(range(rank * width, (rank + 1) * width))) for rank in range(per_node)
    ]
    places = [placed(machine, rank, cores[rank], True, True) for rank in range(per_node)]
    return run(machine, nodes, places, command, flux_env)


def sbcast(machine: Rules, words: Sequence[str]) -> int:
    _, files = split_options(words, ())
    return subprocess.run(["cp", "--", *files], check=False, timeout=60).returncode


def consecutive(machine: Rules, ranks: int, width: int, program: str) -> list[list[int]]:
    usable = machine.usable()
    if ranks * width > len(usable):
        refuse(program, f"{ranks} x {width} cores, and a node has {len(usable)}")
    return [usable[rank * width : (rank + 1) * width] for rank in range(ranks)]


def cores_of_mask(mask: str) -> list[int]:
    bits = int(mask, 16)
    return [core for core in range(bits.bit_length()) if bits >> core & 1]


def cores_of_list(text: str) -> list[int]:
    cores: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        cores += range(int(first), int(last or first) + 1)
    return cores


def placed(machine: Rules, rank: int, cores: list[int], alone: bool, shared: bool) -> Place:
    """A rank with the devices it can open: its own alone, behind a cgroup, or all of the node."""
    nearest = machine_gpu(machine, rank, cores) if alone else None
    everything = list(range(machine.gpus))
    visible = [nearest] if alone and not shared else everything
    return {"local_rank": rank, "cores": cores, "own": nearest, "visible": visible}


def machine_gpu(machine: Rules, rank: int, cores: Sequence[int]) -> int:
    if not machine.nearest:
        return rank
    near = [len(set(range(low, high + 1)) & set(cores)) for low, high in machine.nearest]
    return near.index(max(near))


Variables = Callable[[int, int, int, int], Mapping[str, object]]


def slurm_env(rank: int, size: int, local: int, per_node: int) -> Mapping[str, object]:
    return {
        "SLURM_PROCID": rank, "SLURM_NTASKS": size, "SLURM_STEP_NUM_TASKS": size,
        "SLURM_LOCALID": local, "SLURM_NODEID": rank // per_node, "SLURM_STEP_ID": 0,
        "SLURMD_NODENAME": f"n{rank // per_node + 1}",
        "SLURM_STEP_TASKS_PER_NODE": f"{per_node}(x{size // per_node})",
    }  # fmt: skip


def pals_env(rank: int, size: int, local: int, per_node: int) -> Mapping[str, object]:
    return {
        "PMI_RANK": rank, "PMI_SIZE": size, "PMI_LOCAL_RANK": local, "PMI_LOCAL_SIZE": per_node,
        "PALS_RANKID": rank, "PALS_LOCAL_RANKID": local, "PALS_NODEID": rank // per_node,
    }  # fmt: skip


def open_mpi_env(rank: int, size: int, local: int, per_node: int) -> Mapping[str, object]:
    return {
        "OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": size,
        "OMPI_COMM_WORLD_LOCAL_RANK": local, "OMPI_COMM_WORLD_LOCAL_SIZE": per_node,
    }  # fmt: skip


def flux_env(rank: int, size: int, local: int, per_node: int) -> Mapping[str, object]:
    return {
        "FLUX_TASK_RANK": rank, "FLUX_JOB_SIZE": size, "FLUX_TASK_LOCAL_ID": local,
        "FLUX_JOB_NNODES": size // per_node,
    }  # fmt: skip


def run(
    machine: Rules,
    nodes: int,
    places: Sequence[Place],
    command: Sequence[str],
    names: Variables,
) -> int:
    """Write down every rank of a node, start those of the step, pass signals on to them."""
    record = {"nodes": nodes, "command": list(command), "places": places}
    with Path(os.environ["SHIMS"], "steps.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    size = started(nodes * len(places), command)
    per_node = min(len(places), size)
    ranks = []
    for rank in range(size):
        variables = {
            **names(rank, size, rank % per_node, per_node),
            **where(machine, places[rank % per_node], rank // per_node),
        }
        env = {name: str(value) for name, value in variables.items()}
        ranks.append(subprocess.Popen(command, env={**os.environ, **env}))
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, lambda got, _: [rank.send_signal(got) for rank in ranks])
    return max(rank.wait() for rank in ranks)


def started(ranks: int, command: Sequence[str]) -> int:
    """How many ranks of a step are started."""
    if command[0] in ON_DISKS:
        return 1  # every node does this to its own disk, and there is one disk for all of them
    return ranks if "doctor" in command else min(ranks, REAL_RANKS)


def where(machine: Rules, place: Place, node: int) -> Mapping[str, object]:
    """What a rank finds out of its place: from its kernel, and from its launcher's variables."""
    cores, own = place["cores"], place["own"]
    # who is not bound has all hardware threads, who is has those that the launcher counts
    threads = machine.smt if cores == machine.usable() else machine.threads
    found = {
        "SHIMS_HOST": f"node{node + 1}",
        "SHIMS_THREADS": joined(core + i * machine.cores for core in cores for i in range(threads)),
    }
    if machine.shows:
        # Frontier's guide and mpibind: the node's number, whatever the cgroup hides
        found[machine.shows] = joined(place["visible"] if own is None else [own])
    return found


def joined(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


LAUNCHERS: dict[str, Callable[[Rules, Sequence[str]], int]] = {
    "srun": srun, "mpiexec": mpiexec, "ibrun": ibrun, "sbcast": sbcast,
}  # fmt: skip


def machine_of(environment: Mapping[str, str]) -> Rules:
    return MACHINES[environment["SHIMS_MACHINE"]]
