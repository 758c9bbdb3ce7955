"""Timing for the benchmarks: interleaved, one thread, medians, judged against a target.

``import harness`` comes first in a benchmark: it fixes the number of threads before NumPy and
torch are loaded, and makes ``tests.support`` importable. A benchmark is run as
``python tests/benchmarks/bench_<name>.py``; it exits with 1 when a target is missed, and its
last line is a JSON object with the machine and the versions.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    repeats: int = 9,
    warmup: int = 1,
    slice_s: float = 0.02,
) -> dict[str, float]:
    """Median seconds of one call each, the candidates taking turns.

    Args:
        calls: what to time, by name.
        repeats: turns of each candidate (the median is over these).
        warmup: calls before the first turn, not counted.
        slice_s: a turn repeats a quick call for about this long, so that the clock resolves it.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    numbers = {}
    for name, call in calls.items():
        for _ in range(warmup):
            call()
        numbers[name] = max(1, round(slice_s / max(_seconds(call, 1), 1e-9)))
    turns: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            turns[name].append(_seconds(call, numbers[name]))
    return {name: statistics.median(seconds) for name, seconds in turns.items()}


def _seconds(call: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def human(seconds: float) -> str:
    """`98 µs`, `1.24 ms`, `0.31 s`: three digits at most."""
    scale, unit = next(((s, u) for s, u in UNITS if seconds >= s), UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"


class Bench:
    """Collects figures, prints each one, and ends with the JSON line and the exit code."""

    def __init__(self, name: str, versions: tuple[str, ...] = ("torch", "numpy")) -> None:
        self.name = name
        self.versions = versions
        self.figures: list[dict[str, Any]] = []

    def record(
        self,
        name: str,
        seconds: float,
        target: float | None = None,
        peers: Mapping[str, float] | None = None,
    ) -> None:
        """Print and keep one figure.

        Args:
            seconds: ours.
            target: seconds it may take at most.
            peers: seconds of others for the same work in the same run.
        """
        ok = target is None or seconds <= target
        verdict = (
            "" if target is None else f" (target ≤ {human(target)}) {'ok' if ok else 'MISSED'}"
        )
        others = "".join(
            f", {peer} {human(value)} ({value / seconds:.1f}×)"
            for peer, value in (peers or {}).items()
        )
        print(f"{name}: {human(seconds)}{verdict}{others}", flush=True)
        self.figures.append(
            {
                "name": name,
                "seconds": seconds,
                "target": target,
                "peers": dict(peers or {}),
                "ok": ok,
            }
        )

    def finish(self) -> int:
        """Print the JSON line; 0 when every target is met, else 1."""
        print(
            json.dumps({"benchmark": self.name, "machine": self.machine(), "figures": self.figures})
        )
        return 0 if all(figure["ok"] for figure in self.figures) else 1

    def machine(self) -> dict[str, Any]:
        """Where and with what the figures were taken."""
        return {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d"),
            "versions": {name: importlib.metadata.version(name) for name in self.versions},
        }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
