"""`python -m tests.benchmarks [NAME …]`: run the benchmarks one after another, then sum up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    wanted = sys.argv[1:]
    scripts = [
        path
        for pattern in ("bench_*.py", "check_*.py")
        for path in sorted(FOLDER.glob(pattern))
        if not wanted or any(name in path.stem for name in wanted)
    ]
    missed = []
    for script in scripts:
        print(f"== {script.stem}", flush=True)
        done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        _keep(script.stem, done.stdout)
        if done.returncode:
            missed.append(script.stem)
    print(f"{len(scripts) - len(missed)} of {len(scripts)} meet their targets")
    if missed:
        print("missed: " + ", ".join(missed))
    return 1 if missed else 0


def _keep(name: str, output: str) -> None:
    """Write the closing JSON line (machine, versions, figures) to `results/NAME.json`."""
    lines = output.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        folder = FOLDER / "results"
        folder.mkdir(exist_ok=True)
        result = json.loads(lines[-1])
        (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
