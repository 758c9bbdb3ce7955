"""Whether configs/lsms.json learns more of the energies than their composition tells.

`check_lsms_accuracy.py [RUN] [--data DIR]` judges a finished run (default runs/lsms) by its
results, beside a cubic in the fraction of gold that is fitted to the same training set.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import harness  # noqa: F401  (fixes the number of threads before NumPy is loaded)
import numpy as np

from hydria.config import load_config
from hydria.data.prepare import PreparedData, prepare
from hydria.data.sets.lsms import GOLD

LEAST_R2 = 0.95
# part of what the cubic leaves unexplained that may stay unexplained
MOST_LEFT = 0.5
ENERGY = "free_energy"


def cubic_r2(prepared: PreparedData) -> float:
    """R² on the test set of a cubic in composition fitted to the training set."""
    store, splits = prepared.store, prepared.splits
    gold = np.add.reduceat(store.node["z"] == GOLD, store.node_ptr[:-1]) / np.diff(store.node_ptr)
    energy = np.asarray(store.graph[f"y.{ENERGY}"][:, 0], dtype=np.float64)
    fit = np.polynomial.Polynomial.fit(gold[splits["train"]], energy[splits["train"]], 3)
    true = energy[splits["test"]]
    wrong = fit(gold[splits["test"]]) - true
    return float(1 - (wrong**2).sum() / ((true - true.mean()) ** 2).sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/lsms"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    arguments = parser.parse_args()
    results = json.loads((arguments.run / "results.json").read_text())
    prepared = prepare(load_config(arguments.run / "config.json").config, arguments.data)
    ours, cubic = results["heads"][ENERGY]["r2"], cubic_r2(prepared)
    left = (1 - ours) / (1 - cubic)
    print(f"R² of {ENERGY} on the test set: trained {ours:.4f}, cubic in composition {cubic:.4f}")
    print(f"the model leaves {left:.1%} of what the cubic leaves")
    return 0 if ours >= LEAST_R2 and left <= MOST_LEFT else 1


if __name__ == "__main__":
    sys.exit(main())
