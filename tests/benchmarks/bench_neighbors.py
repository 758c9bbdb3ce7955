"""Neighbour lists of 1 000 structures of 32 atoms, sorted, against ASE's."""

from __future__ import annotations

import sys

import harness  # first: it fixes the number of threads

# isort: split
import ase
import ase.neighborlist
import numpy as np

from hydria.graph.neighbors import radius_graphs
from tests.support.graphs import make_crystal

NUM_STRUCTURES = 1000
NUM_FOR_ASE = 20
CASES = {  # name: cutoff Å, periodic, max_neighbours, target s per structure
    "open, 7 Å": (7.0, False, None, 150e-6),
    "open, 7 Å, nearest 12": (7.0, False, 12, 200e-6),
    "periodic, 5 Å": (5.0, True, None, None),
}


def main() -> int:
    bench = harness.Bench("neighbors", ("vesin", "ase", "numpy"))
    crystals = [make_crystal(seed=seed) for seed in range(NUM_STRUCTURES)]
    pos = np.concatenate([crystal.pos for crystal in crystals])
    node_ptr = np.arange(NUM_STRUCTURES + 1) * len(crystals[0].pos)
    cells = np.stack([crystal.cell for crystal in crystals])
    for name, (cutoff, periodic, cap, target) in CASES.items():
        atoms = [
            ase.Atoms(c.numbers, c.pos, cell=c.cell, pbc=periodic) for c in crystals[:NUM_FOR_ASE]
        ]
        cell = cells if periodic else None
        times = harness.interleaved(
            {
                "hydria": lambda cell=cell, cutoff=cutoff, cap=cap: radius_graphs(
                    pos, node_ptr, cell, cutoff=cutoff, max_neighbours=cap
                ),
                "ase": lambda atoms=atoms, cutoff=cutoff: [
                    ase.neighborlist.neighbor_list("ijSd", a, cutoff) for a in atoms
                ],
            },
            repeats=7,
        )
        bench.record(
            f"32 atoms, {name}",
            times["hydria"] / NUM_STRUCTURES,
            target,
            {"ase (uncapped, unsorted)": times["ase"] / NUM_FOR_ASE},
        )
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
