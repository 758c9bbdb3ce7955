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
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydria.runtime.memory import keep_freed_memory

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# memory as in `hydria train`, before torch is there
DEFAULT_MEMORY = "HARNESS_DEFAULT_MEMORY"
if not os.environ.get(DEFAULT_MEMORY):
    keep_freed_memory(os.environ)

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


class Candidate:
    """A script that times one step whenever it is asked to, in a process of its own.

    The script calls `serve`. Steps are measured in processor time, which on one thread of a quiet
    machine is the time on the clock, and on a busy one is steadier.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line; the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next line of JSON it says; what is no JSON belongs to libraries."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise SystemExit(f"{' '.join(self.process.args)} ended early")  # type: ignore[arg-type]

    def finish(self) -> dict[str, Any]:
        """End it; what it knows: `peak_mib` above its imports, and what `serve` was given."""
        facts = self.ask("end")
        self.process.wait()
        return facts


def serve(
    make_step: Callable[[], tuple[Callable[[], object], Callable[[], dict[str, Any]]]],
) -> None:
    """Be a `Candidate`: make a step, then time it for each line read, until one says `end`.

    Args:
        make_step: returns the step, and what finds facts to tell at the end.
    """
    sys.modules["torch"].set_num_threads(1)
    imported = _resident_mib()
    step, facts = make_step()
    for _ in range(2):
        step()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        start = time.process_time()
        step()
        print(json.dumps({"seconds": time.process_time() - start}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**facts(), "peak_mib": peak - imported}), flush=True)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def take_turns(
    candidates: Mapping[str, Candidate], budget_s: float, turns: tuple[int, int] = (5, 21)
) -> dict[str, float]:
    """Median seconds of each candidate's step, the candidates taking turns.

    Args:
        budget_s: about how long that may take together.
        turns: least and most turns of each.
    """
    for candidate in candidates.values():
        candidate.answer()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    start = time.perf_counter()
    for turn in range(turns[1]):
        if turn >= turns[0] and time.perf_counter() - start > budget_s:
            break
        for name, candidate in candidates.items():
            seconds[name].append(candidate.ask("step")["seconds"])
    return {name: statistics.median(values) for name, values in seconds.items()}


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
