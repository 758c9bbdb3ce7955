"""Writing stores of 6 kB graphs, random batches of 32 out of them, and opening a million graphs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import harness
import numpy as np

from hydria.data.store import GraphStore, Store
from hydria.data.stores import convert, new_store, open_store
from hydria.data.stores.samples import preloaded
from hydria.data.stores.shared import shared
from tests.support.graphs import random_store

GRAPHS = 2000
MANY = 1_000_000
WRITE_S = 0.01e-3
READ_S = {
    "ADIOS2 on disk": 0.06e-3,
    "ADIOS2 preloaded": 0.01e-3,
    "shared memory": 0.01e-3,
    "memory-mapped folder": 0.01e-3,
}
# HydraGNN's ms a sample on a machine of this kind: writing; reading from disk, and preloaded
UPSTREAM = {"write": 0.040e-3, "ADIOS2 on disk": 0.65e-3, "ADIOS2 preloaded": 0.20e-3}
OPEN_S, OPEN_MB = 0.5, 200.0
# a process that opens a store and says its seconds and the growth of its own memory, kB
OPENING = """
import sys, time
from hydria.data.stores import open_store

def own_memory():
    return int(next(line for line in open("/proc/self/status") if "RssAnon" in line).split()[1])

import adios2.bindings
before, start = own_memory(), time.perf_counter()
store = open_store(sys.argv[1])
seconds = time.perf_counter() - start
store.batch(range(0, len(store), len(store) // 32))
print("opened", seconds, own_memory() - before)
"""


def main() -> int:
    bench = harness.Bench("stores", ("adios2", "torch", "numpy"))
    store = random_store(GRAPHS, nodes=32, edges=(196, 236), edge_dim=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = harness.interleaved(
            {"ADIOS2": _writing(store, folder / "w.bp"), "folder": _writing(store, folder / "w")},
            slice_s=0,
        )
        for kind, seconds in written.items():
            peers = {"HydraGNN": UPSTREAM["write"]} if kind == "ADIOS2" else {}
            bench.record(f"write {kind}, a sample", seconds / GRAPHS, WRITE_S, peers)
        on_disk, mapped = open_store(folder / "w.bp"), open_store(folder / "w")
        places: dict[str, Store] = {
            "ADIOS2 on disk": on_disk,
            "ADIOS2 preloaded": preloaded(on_disk),
            "shared memory": shared(lambda: on_disk),
            "memory-mapped folder": mapped,
        }
        order = np.random.default_rng(0).permutation(GRAPHS)[: GRAPHS // 32 * 32].reshape(-1, 32)
        read = harness.interleaved(
            {name: _reading(place, order) for name, place in places.items()}, slice_s=0
        )
        for kind, seconds in read.items():
            peers = {"HydraGNN": UPSTREAM[kind]} if kind in UPSTREAM else {}
            bench.record(f"read {kind}, a sample", seconds / order.size, READ_S[kind], peers)
        for ending in ("", ".bp"):
            place = folder / f"many{ending}"
            convert(_many(), new_store(place))
            seconds, megabytes = _opened(place)
            bench.record(f"open {MANY} graphs, {ending or 'folder'}", seconds, OPEN_S, {})
            print(f"memory of a process that opened {place.name}: {megabytes:.0f} MB")
            if megabytes > OPEN_MB:
                raise SystemExit(f"expected at most {OPEN_MB:.0f} MB")
    return bench.finish()


def _writing(store: GraphStore, place: Path) -> Callable[[], None]:
    def write() -> None:
        with mock.patch("os.fsync"):  # the target is without it
            convert(store, new_store(place, replace=True))

    return write


def _reading(store: Store, order: np.ndarray) -> Callable[[], None]:
    def read() -> None:
        for ids in order:
            store.batch(ids)

    return read


def _many() -> GraphStore:
    """Pairs of nodes with an edge, and a target."""
    rng = np.random.default_rng(0)
    return GraphStore(
        node={"x": rng.random((2 * MANY, 1), dtype=np.float32)},
        edge={
            "edge_source": np.zeros(MANY, np.int32),
            "edge_target": np.ones(MANY, np.int32),
        },
        graph={"y.energy": rng.random((MANY, 1), dtype=np.float32)},
        node_ptr=np.arange(MANY + 1) * 2,
        edge_ptr=np.arange(MANY + 1),
    )


def _opened(place: Path) -> tuple[float, float]:
    """Seconds and megabytes of a process of its own that opens a store; the second of two."""
    command = [sys.executable, "-c", OPENING, str(place)]
    for _ in range(2):
        said = subprocess.run(
            command, env=os.environ, check=True, capture_output=True, text=True, timeout=300
        ).stdout
    found = re.search(r"opened (\S+) (\S+)", said)
    if found is None:
        raise SystemExit(f"expected a line of the process that opens the store, got {said!r}")
    return float(found[1]), float(found[2]) / 1000


if __name__ == "__main__":
    sys.exit(main())
