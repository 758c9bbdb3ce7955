from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from hydria.data.store import GraphStore
from hydria.workloads.property.compositions import formulas, symbols_of
from hydria.workloads.property.results import HeadTable, write_predictions
from tests.support.graphs import random_store


def store_of(*molecules: list[int]) -> GraphStore:
    """Graphs without edges, of the given atomic numbers."""
    sizes = [len(molecule) for molecule in molecules]
    ends = {name: np.zeros(0, dtype=np.int32) for name in ("edge_source", "edge_target")}
    return GraphStore(
        node={"z": np.concatenate([np.array(m, dtype=np.int32) for m in molecules])},
        edge=ends,
        graph={},
        node_ptr=np.cumsum([0, *sizes]),
        edge_ptr=np.zeros(len(molecules) + 1, dtype=np.int64),
    )


def table_of(kind: str, sample: list[int], node: list[int], dim: int = 1) -> HeadTable:
    values = np.arange(len(sample) * dim, dtype=float).reshape(-1, dim)
    return HeadTable("head", kind, "", np.array(sample), np.array(node), values, values)


def test_formulas_count_the_atoms_of_each_graph() -> None:
    store = store_of([8, 1, 1], [79, 29, 29], [6], [1, 8, 1])
    assert formulas(store, np.array([0, 1, 2, 3])).tolist() == ["H2O", "AuCu2", "C", "H2O"]
    assert formulas(store, np.array([2, 0])).tolist() == ["C", "H2O"]


def test_numbers_of_no_element_stay_numbers() -> None:
    assert symbols_of(np.array([1, 0, 500])).tolist() == ["H", "(0)", "(500)"]


def test_written_rows_tell_what_they_belong_to(tmp_path: Path) -> None:
    store = store_of([8, 1, 1], [6])
    tables = [
        table_of("node", [0, 0, 0, 1], [0, 1, 2, 0], dim=2),
        table_of("graph", [0, 1], [-1, -1]),
    ]
    write_predictions(tmp_path / "out.parquet", tables, store)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["element"] for row in rows] == ["O", "O", "H", "H", "H", "H", "C", "C", "", ""]
    assert [row["formula"] for row in rows] == ["H2O"] * 6 + ["C"] * 2 + ["H2O", "C"]


def test_stores_without_atomic_numbers_have_no_formulas(tmp_path: Path) -> None:
    store = random_store(3)
    assert "z" not in store.node
    write_predictions(tmp_path / "out.parquet", [table_of("graph", [0, 2], [-1, -1])], store)
    assert "formula" not in pq.read_table(tmp_path / "out.parquet").column_names
