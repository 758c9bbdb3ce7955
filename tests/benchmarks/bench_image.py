"""The cpu image: building it, its size, the time until a command starts in it, training in it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

from tests.support.images import EXEC, base_image, hydria

BUILD_S = 180.0
SIZE_MB = 700
START_S = 1.0
SHARE = 0.97
PAIRS = 7
EPOCHS = "NeuralNetwork.Training.num_epoch=6"


def main() -> int:
    bench = harness.Bench("image", ("torch", "numpy"))
    base = base_image()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "hydria-cpu.sif"
        start = time.perf_counter()
        hydria("image", "build", "cpu", "--base", base, "--output", image)
        bench.record("build from a cached base", time.perf_counter() - start, BUILD_S)
        megabytes = image.stat().st_size / 1e6
        print(f"size: {megabytes:.0f} MB (target ≤ {SIZE_MB} MB)", flush=True)
        version = [*EXEC, str(image), "hydria", "--version"]
        starts = harness.interleaved(
            {"exec": lambda: subprocess.run(version, check=True, capture_output=True)}, slice_s=0
        )
        bench.record("apptainer exec … hydria --version", starts["exec"], START_S)
        shares, outside_s = _shares(folder, image)
    share = statistics.median(shares)
    print(f"throughput in the image: {share:.3f} of outside (target ≥ {SHARE}); pairs: ", end="")
    print(" ".join(f"{each:.3f}" for each in sorted(shares)), flush=True)
    bench.record("an epoch in the image", outside_s / share, outside_s / SHARE)
    return bench.finish() or int(megabytes > SIZE_MB)


def _shares(folder: Path, image: Path) -> tuple[list[float], float]:
    """Throughput in the image over that outside for each pair; median seconds outside.

    The two of a pair run one after the other, and who begins changes from pair to pair: what else
    the machine does meets both alike.
    """
    places = {
        "outside": [sys.executable, "-m"],
        "inside": [*EXEC, "--bind", str(folder), str(image)],
    }
    shares, outside = [], []
    for turn in range(PAIRS):
        order = sorted(places, reverse=turn % 2 == 0)
        seconds = {
            place: _epoch(places[place], folder / f"run-{turn}-{place}", folder / "data")
            for place in order
        }
        shares.append(seconds["outside"] / seconds["inside"])
        outside.append(seconds["outside"])
    return shares, statistics.median(outside)


def _epoch(start: list[str], run: Path, data: Path) -> float:
    """Median seconds of an epoch; the first one warms up."""
    command = [*start, "hydria", "train", "lsms", EPOCHS, "--run-dir", str(run)]
    subprocess.run([*command, "--data", str(data)], check=True, capture_output=True, timeout=600)
    rows = (run / "metrics.jsonl").read_text().splitlines()
    return statistics.median(json.loads(row)["seconds"] for row in rows[1:])


if __name__ == "__main__":
    sys.exit(main())
