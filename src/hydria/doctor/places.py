"""The folders a run writes to: what they are, and whether a small file survives there."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydria.doctor.facts import Place

MOUNTS = Path("/proc/self/mountinfo")
MIB = 1024 * 1024
PROBE_BYTES = 65536
SHARED = frozenset(
    [
        "lustre",
        "nfs",
        "nfs4",
        "gpfs",
        "beegfs",
        "ceph",
        "fuse.ceph",
        "wekafs",
        "panfs",
        "pvfs2",
        "orangefs",
        "cifs",
        "smb3",
        "9p",
        "virtiofs",
        "afs",
        "dfuse",
        "fuse.dfuse",
        "fuse.daos",
        "quobyte",
        "fuse.quobyte",
    ]
)
LOCAL = frozenset(
    [
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "tmpfs",
        "ramfs",
        "overlay",
        "f2fs",
        "squashfs",
        "vfat",
    ]
)
# Caches that a run fills.
CACHES = (
    "MIOPEN_USER_DB_PATH",
    "MIOPEN_CUSTOM_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
    "SYCL_CACHE_DIR",
    "NUMBA_CACHE_DIR",
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
)
RUN, DATA, TEMPORARY = "run folder", "data", "temporary files"


@dataclass(frozen=True)
class Mount:
    """A mounted file system."""

    folder: str
    kind: str


def places_of(env: Mapping[str, str], run_dir: Path, data: Path) -> Iterator[tuple[str, Path]]:
    """Role and path of every folder that a run writes to."""
    yield RUN, run_dir
    yield DATA, data
    yield TEMPORARY, Path(env.get("TMPDIR") or tempfile.gettempdir())
    yield from ((name, Path(env[name])) for name in CACHES if env.get(name))


def place_facts(role: str, path: Path, mounts: tuple[Mount, ...]) -> Place:
    """Look at one folder, or at the nearest one above it that exists, and write a file there."""
    probed = _existing(path.absolute())
    kind = mount_of(probed, mounts).kind
    facts: dict[str, Any] = {}
    try:
        space = os.statvfs(probed)
        facts["free_mib"] = space.f_bavail * space.f_frsize // MIB
        # file systems without a table of inodes say 0 of 0
        facts["free_inodes"] = space.f_favail if space.f_files else None
        facts["probe_ms"], facts["clock_offset_s"] = probe(probed)
    except OSError as err:
        facts["error"] = err.strerror or str(err)
    return Place(
        role=role,
        path=str(path.absolute()),
        probed=str(probed),
        kind=kind,
        shared=is_shared(kind),
        **facts,
    )


def _existing(path: Path) -> Path:
    """`path` or the nearest folder above it; a file in the way is for the probe to meet."""
    return next(each for each in (path, *path.parents) if each.exists())


def probe(folder: Path) -> tuple[float, float]:
    """Write, sync, read and delete a small file.

    Returns:
        Milliseconds it took, and seconds by which this host's clock is ahead of the time stamp.

    Raises:
        OSError: when one of the steps fails, or the file does not read back as written.
    """
    content = os.urandom(PROBE_BYTES)
    begun = time.perf_counter()
    handle, name = tempfile.mkstemp(dir=folder, prefix=".hydria-doctor-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            now = time.time()
        stamp = os.stat(name).st_mtime
        if Path(name).read_bytes() != content:
            raise OSError(f"{name}: what was written does not read back")
    finally:
        with suppress(OSError):
            os.unlink(name)
    return (time.perf_counter() - begun) * 1000, now - stamp


def read_mounts(file: Path = MOUNTS) -> tuple[Mount, ...]:
    """The mounts that this process sees, in the order they were made."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(_mount(line) for line in lines if " - " in line)


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    # blanks, tabs, newlines and backslashes are written as octal numbers
    folder = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), before.split()[4])
    return Mount(folder, after.split()[0])


def mount_of(path: Path, mounts: tuple[Mount, ...]) -> Mount:
    """The mount that holds `path`; the last one where several lie on the same folder."""
    real = path.resolve()
    holding = [mount for mount in mounts if real.is_relative_to(mount.folder)]
    return max(
        reversed(holding), key=lambda mount: len(mount.folder), default=Mount("/", "unknown")
    )


def is_shared(kind: str) -> bool | None:
    """Whether other nodes see a file system of this type; None when the type does not tell."""
    if kind in SHARED:
        return True
    return False if kind in LOCAL else None
