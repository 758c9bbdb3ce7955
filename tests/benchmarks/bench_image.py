"""The cpu image: its size, the time until a command starts in it, training in it and outside."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harness

from tests.support.images import EXEC, cpu_image

SIZE_MB = 700
START_S = 1.0
SHARE = 0.97
PAIRS = 7
EPOCHS = "NeuralNetwork.Training.num_epoch=4"


def main() -> int:
    bench = harness.Bench("image", ("torch", "numpy"))
    image = cpu_image()
    megabytes = image.stat().st_size / 1e6
    print(f"size: {megabytes:.0f} MB (target ≤ {SIZE_MB} MB)")
    inside = [*EXEC, str(image)]
    version = [*inside, "hydria", "--version"]
    starts = harness.interleaved(
        {"exec": lambda: subprocess.run(version, check=True, capture_output=True)}, slice_s=0
    )
    bench.record("apptainer exec … hydria --version", starts["exec"], START_S)
    with tempfile.TemporaryDirectory() as folder:
        outside_s, inside_s = _epochs(Path(folder), [sys.executable, "-m"], inside)
    bench.record("an epoch in the image", inside_s, outside_s / SHARE, {"outside": outside_s})
    return bench.finish() or int(megabytes > SIZE_MB)


def _epochs(folder: Path, outside: list[str], inside: list[str]) -> tuple[float, float]:
    """Median seconds of one epoch outside and inside, the two taking turns."""
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for turn in range(PAIRS + 1):
        for place, words in enumerate((outside, [*inside[:-1], "--bind", str(folder), inside[-1]])):
            run = folder / f"run-{turn}-{place}"
            command = [*words, "hydria", "train", "lsms", EPOCHS, "--run-dir", str(run)]
            data = ["--data", str(folder / "data")]
            subprocess.run([*command, *data], check=True, capture_output=True, timeout=600)
            rows = (run / "metrics.jsonl").read_text().splitlines()
            # the first epoch and the first pair warm up
            if turn:
                seconds[place] += [json.loads(row)["seconds"] for row in rows[1:]]
    return statistics.median(seconds[0]), statistics.median(seconds[1])


if __name__ == "__main__":
    sys.exit(main())
