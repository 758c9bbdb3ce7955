"""1 000 LSMS files of 32 atoms to training-ready graphs, open boundaries, radius 7 Å."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import harness
import numpy as np

from hydria.config import load_config
from hydria.data.formats import read
from hydria.data.prepare import build, prepare
from hydria.data.sets import lsms
from hydria.data.sets.crystals import draw
from tests.support.raw_data import config_tree

FILES = 1000
TARGET_S = 0.35


def write_files(folder: Path) -> None:
    """Crystals as `hydria data make lsms` draws them, without their energies."""
    folder.mkdir()
    rng = np.random.RandomState(0)
    for index in range(FILES):
        crystal = draw(lsms.ALLOY, rng)
        lines = [f"{rng.rand():.8f} 0 0"]
        for atom, (protons, pos) in enumerate(zip(crystal.numbers, crystal.pos, strict=True)):
            values = " ".join(f"{value:.8f}" for value in (*pos, protons, rng.rand()))
            lines.append(f"{protons:.1f} {atom} {values}")
        (folder / f"{index:04d}.txt").write_text("\n".join(lines))


def main() -> int:
    bench = harness.Bench("lsms_to_graphs", ("numpy", "vesin", "torch"))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_files(root / "raw")
        overrides = ["Architecture.radius=7", "Architecture.max_neighbours=100"]
        config = load_config(config_tree(root / "raw"), overrides).config
        edges = build(config, root).store.edge_ptr[-1] / FILES
        times = harness.interleaved(
            {
                "graphs": lambda: build(config, root),
                "read": lambda: read(root / "raw", config.dataset),
                "store": lambda: prepare(config, root, force=True),
            }
        )
        bench.record(f"files to graphs of {edges:.0f} edges", times["graphs"], TARGET_S)
        bench.record("of which reading", times["read"])
        bench.record("files to a store on disk, opened", times["store"])
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
