"""`hydria job` from a cold start, beside a Python that does nothing; target 0.6 s."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import harness

TARGET_S = 0.6
REPEATS = 9


def command(words: Sequence[str], folder: str) -> Callable[[], object]:
    def call() -> object:
        return subprocess.run(words, cwd=folder, capture_output=True, check=True, timeout=60)

    return call


def main() -> int:
    bench = harness.Bench("job_cold_start", versions=("pydantic", "typer", "Jinja2"))
    hydria = str(Path(sys.executable).with_name("hydria"))
    job = [hydria, "job", "--site", "frontier", "--config", "lsms", "--nodes", "2"]
    with tempfile.TemporaryDirectory() as folder:
        calls = {
            "python": command([sys.executable, "-c", "pass"], folder),
            "hydria job": command(job, folder),
        }
        seconds = harness.interleaved(calls, repeats=REPEATS)
    bench.record(
        "hydria job", seconds["hydria job"], TARGET_S, {"python -c pass": seconds["python"]}
    )
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
