"""Cutting a batch of 32 graphs out of the store, against torch_geometric's collate."""

from __future__ import annotations

import sys

import harness
import numpy as np
from torch_geometric.data import Batch

from tests.support.graphs import random_store

TARGETS_S = {216: 120e-6, 1300: 500e-6}  # by edges per graph


def main() -> int:
    bench = harness.Bench("batch_assembly", ("torch", "torch-geometric", "numpy"))
    for edges, target in TARGETS_S.items():
        store = random_store(1000, nodes=32, edges=(edges - 20, edges + 20))
        samples = [store[i] for i in range(len(store))]
        order = np.random.default_rng(0).permutation(len(store))[:32]
        times = harness.interleaved(
            {
                "hydria": lambda store=store, order=order: store.batch(order),
                "torch_geometric": lambda samples=samples, order=order: Batch.from_data_list(
                    [samples[i] for i in order]
                ),
            }
        )
        bench.record(
            f"batch of 32 graphs of {edges} edges",
            times["hydria"],
            target,
            {"torch_geometric": times["torch_geometric"]},
        )
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
