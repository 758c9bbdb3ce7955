"""What structures are made of, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria.data.store import GraphStore

Array = NDArray[Any]


def symbols_of(numbers: Array) -> Array:
    """Symbols of atomic numbers; numbers that belong to no element stay numbers."""
    from ase.data import chemical_symbols

    kinds, which = np.unique(numbers, return_inverse=True)
    known = range(1, len(chemical_symbols))
    names = [chemical_symbols[kind] if kind in known else f"({kind})" for kind in kinds]
    return np.array(names)[which]


def labels_of(store: GraphStore, samples: Array) -> Array | None:
    """What the data calls the kind of each of the graphs `samples`; None where it does not."""
    names = store.attrs.get("labels")
    if not names or "label" not in store.graph:
        return None
    found: Array = np.array(names)[np.asarray(store.graph["label"])[samples, 0]]
    return found


def formulas(store: GraphStore, samples: Array) -> Array:
    """Formula of each of the graphs `samples`, such as Au8Cu24, elements in alphabetical order."""
    nodes = store.sizes(samples)[0]
    owner = np.repeat(np.arange(len(samples)), nodes)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(nodes) - nodes, nodes)
    numbers = np.asarray(store.node["z"])[store.node_ptr[samples][owner] + within]
    symbols, which = np.unique(symbols_of(numbers), return_inverse=True)
    counts = np.zeros((len(samples), len(symbols)), dtype=np.int64)
    np.add.at(counts, (owner, which), 1)
    kinds, kind_of = np.unique(counts, axis=0, return_inverse=True)
    names = [
        "".join(
            f"{symbol}{n if n > 1 else ''}" for symbol, n in zip(symbols, row, strict=True) if n
        )
        for row in kinds
    ]
    return np.array(names)[kind_of]
