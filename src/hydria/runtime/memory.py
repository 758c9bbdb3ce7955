"""Memory that is used again instead of handed back."""

from __future__ import annotations

import ctypes
from collections.abc import MutableMapping

# of mallopt, in glibc's malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
NEVER = -1
LARGEST = 1 << 30

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"


def keep_freed_memory(env: MutableMapping[str, str]) -> bool:
    """Let this process keep the memory it frees for its next tensors, and ask for huge pages.

    By default glibc hands arrays of some MiB back to the system as soon as they are freed, and
    the system clears every page of 4 KiB of the next one: a tenth to a fifth of a training step
    on a CPU. Huge pages are torch's to ask for; it looks at THP_MEM_ALLOC_ENABLE, unless that is
    set already, when it makes its first tensor.

    Returns:
        Whether the C library can keep memory.
    """
    env.setdefault(HUGE_PAGES, "1")
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl, macOS
        return False
    return bool(mallopt(TRIM_THRESHOLD, NEVER)) and bool(mallopt(MMAP_THRESHOLD, LARGEST))
