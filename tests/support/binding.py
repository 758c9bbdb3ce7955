"""Cores and GPU of each rank of a node, told from a script and from facilities' pages.

Nothing here reads a site file or a plan: the machines are written down again, in another form.
"""

from __future__ import annotations

import re

from tests.support.jobs import step_of

# Machine → cores (hardware threads aside), those reserved, and the GPU of each block of cores.
CORES = {"frontier": 64, "lumi": 64, "perlmutter": 64, "polaris": 32, "aurora": 104}
EACH_L3_FIRST = {8 * region for region in range(8)}
RESERVED = {"frontier": EACH_L3_FIRST, "lumi": EACH_L3_FIRST, "aurora": {0, 52}}
# MI250X nodes: GPU of each L3 region. A100 nodes: the GPUs count backwards.
GPU_OF_BLOCK = {
    "frontier": (8, [4, 5, 2, 3, 6, 7, 0, 1]),
    "lumi": (8, [4, 5, 2, 3, 6, 7, 0, 1]),
    "perlmutter": (16, [3, 2, 1, 0]),
    "polaris": (8, [3, 2, 1, 0]),
}


def bound_ranks(script: str, machine: str) -> list[tuple[str, int]]:
    """(cores, GPU) of each rank of a node; AssertionError where a rank breaks a rule."""
    words = step_of(script)
    cores = _cores(words, machine)
    reserved = RESERVED.get(machine, set())
    for mine in cores:
        assert not reserved & set(mine), f"reserved cores in {mine}"
        assert max(mine) < CORES[machine]
    flat = [core for mine in cores for core in mine]
    assert len(flat) == len(set(flat)), "a core belongs to two ranks"
    gpus = _gpus(words, machine, cores)
    assert sorted(gpus) == list(range(len(gpus))), f"GPUs {gpus}"
    return [(f"{mine[0]}-{mine[-1]}", gpu) for mine, gpu in zip(cores, gpus, strict=True)]


def _cores(words: list[str], machine: str) -> list[list[int]]:
    line = " ".join(words)
    if match := re.search(r"mask_cpu:(\S+)", line):
        return [_of_mask(int(mask, 16)) for mask in match[1].split(",")]
    if match := re.search(r"--cpu-bind=list:(\S+)", line):
        return [_of_range(part) for part in match[1].split(":")]
    if match := re.search(r"--depth=(\d+) --cpu-bind depth", line):
        return _consecutive(machine, int(match[1]), int(_after(line, r"--ppn (\d+)")))
    each = int(_after(line, r" -c(\d+)"))
    if machine == "perlmutter":  # two hardware threads per core
        each //= 2
    ranks = int(_after(line, r" -n(\d+)")) // int(_after(line, r" -N(\d+)"))
    return _consecutive(machine, each, ranks)


def _after(line: str, pattern: str) -> str:
    match = re.search(pattern, line)
    assert match is not None, f"{pattern} not in {line}"
    return match[1]


def _of_mask(mask: int) -> list[int]:
    return [core for core in range(128) if mask >> core & 1]


def _of_range(text: str) -> list[int]:
    first, last = text.split("-")
    return list(range(int(first), int(last) + 1))


def _consecutive(machine: str, each: int, ranks: int) -> list[list[int]]:
    """As Slurm and PALS hand out cores: in their order, the reserved ones left out."""
    reserved = RESERVED.get(machine, set())
    free = [core for core in range(CORES[machine]) if core not in reserved]
    assert each * ranks <= len(free)
    return [free[rank * each : (rank + 1) * each] for rank in range(ranks)]


def _gpus(words: list[str], machine: str, cores: list[list[int]]) -> list[int]:
    """By the rank's own shell, by `closest`, or by the rank itself, which takes its own number."""
    line = " ".join(words)
    if match := re.search(r"gpus=\(([\d ]+)\)", line):
        chosen = [int(gpu) for gpu in match[1].split()]
    elif "--gpu-bind=closest" in words:
        chosen = [_near(machine, mine) for mine in cores]
    else:
        chosen = list(range(len(cores)))
    for mine, gpu in zip(cores, chosen, strict=True):
        if machine == "aurora":  # six tiles on each socket of 52 cores
            assert {core // 52 for core in mine} == {gpu // 6}
        else:
            assert gpu == _near(machine, mine), f"cores {mine} with GPU {gpu}"
    return chosen


def _near(machine: str, cores: list[int]) -> int:
    size, gpus = GPU_OF_BLOCK[machine]
    blocks = {core // size for core in cores}
    assert len(blocks) == 1, f"{cores} lie in several blocks"
    return gpus[blocks.pop()]
