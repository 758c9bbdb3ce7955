"""Freed memory stays with the process, in huge pages."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")

# page faults of the third array of 64 MB, when two have been freed before
FAULTS = """
import os, resource, sys
if sys.argv[1] == "keep":
    from hydria.runtime.memory import keep_freed_memory
    assert keep_freed_memory(os.environ)
import numpy as np
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8_000_000)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def faults(how: str) -> int:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


@glibc
def test_arrays_of_the_size_of_freed_ones_cost_no_page_faults() -> None:
    assert faults("default") > 20
    assert faults("keep") < 20


def test_huge_pages_are_asked_for_unless_the_user_says_otherwise() -> None:
    from hydria.runtime.memory import keep_freed_memory

    silent: dict[str, str] = {}
    keep_freed_memory(silent)
    assert silent == {"THP_MEM_ALLOC_ENABLE": "1"}
    said = {"THP_MEM_ALLOC_ENABLE": "0"}
    keep_freed_memory(said)
    assert said == {"THP_MEM_ALLOC_ENABLE": "0"}
