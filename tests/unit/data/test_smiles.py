"""Molecules as SMILES: atoms, bonds, conformers, and what is refused."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydria.config import load_config
from hydria.core.errors import ConfigError, DataError, MissingExtraError
from hydria.data.formats import read
from hydria.data.prepare import build
from tests.support.raw_data import MOLECULES, RAW, lsms_dataset

NODE = ["atomic_number", "degree", "formal_charge", "num_hydrogens", "in_ring", "hybridization"]


def molecules(folder: Path, *lines: str, node: list[str] = NODE, graph: str = "gap") -> Any:
    (folder / "m.csv").write_text("\n".join(["smiles,gap", *lines]) + "\n")
    dataset = lsms_dataset(
        format="SMILES", node_features={"name": node}, graph_features={"name": [graph]}
    )
    return read(folder / "m.csv", dataset)


def test_atoms_and_bonds_of_hydrogen_cyanide_and_benzene(tmp_path: Path) -> None:
    found = molecules(tmp_path, "C#N,1.5", "c1ccccc1,2")
    assert found.node_ptr.tolist() == [0, 3, 15]
    assert found.numbers[:3].tolist() == [6, 7, 1]
    values = np.concatenate([found.node[name] for name in NODE], axis=1)
    assert values[0].tolist() == [6, 2, 0, 1, 0, 1]
    assert values[3].tolist() == [6, 3, 0, 1, 1, 2]
    assert found.graph["gap"].ravel().tolist() == [1.5, 2.0]
    bonds = found.bonds
    assert bonds.ptr.tolist() == [0, 4, 28]
    assert list(zip(bonds.source[:4], bonds.target[:4], bonds.order[:4], strict=True)) == [
        (1, 0, 3.0),
        (2, 0, 1.0),
        (0, 1, 3.0),
        (0, 2, 1.0),
    ]
    assert (bonds.order[4:] == 1.5).sum() == 12
    length = np.linalg.norm(found.pos[0] - found.pos[1])
    assert length == pytest.approx(1.16, abs=0.05)  # Å, of a triple bond


def test_conformers_are_the_same_in_every_run(tmp_path: Path) -> None:
    assert np.array_equal(molecules(tmp_path, "CCO,1").pos, molecules(tmp_path, "CCO,1").pos)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["CX,1"], {}, r"m.csv, line 2: expected a molecule as SMILES, got 'CX'"),
        (["C,1", ",2"], {}, r"m.csv, line 3: expected a molecule as SMILES, got ''"),
        (["C,much"], {}, r"m.csv, line 2: expected a number for 'gap', got 'much'"),
        (["C,1"], {"graph": "dipole"}, r"expected columns dipole, got gap, smiles"),
        ([], {}, r"m.csv: expected a molecule on each line after the first, got none"),
        (["C,1"], {"node": ["spin"]}, r"asks for 'spin'; SMILES give aromatic, atomic_number"),
    ],
)
def test_what_cannot_be_read_names_its_line(
    tmp_path: Path, lines: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        molecules(tmp_path, *lines, **options)


def test_all_rows_that_are_no_molecules_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        molecules(tmp_path, "C,1", "CX,2", "CC,3", "c1ccc,4", *["?,5"] * 12)
    text = str(caught.value)
    assert "expected a molecule in each of 16 rows, got none in 14:" in text
    assert "\n  line 3: expected a molecule as SMILES, got 'CX'" in text
    assert "\n  line 5: expected a molecule as SMILES, got 'c1ccc'" in text
    assert "\n  and 4 more\n" in text
    assert text.count("line ") == 10


def test_ogb_tables_are_read_as_they_are(tmp_path: Path) -> None:
    """An index column, another spelling, packed, lines that end as on Windows."""
    table = "idx,SMILES,homolumogap\r\n0,CCO,7.5\r\n1,C#N,9.25\r\n"
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(table.encode("utf-8-sig")))
    dataset = lsms_dataset(
        format="SMILES",
        node_features={"name": ["atomic_number"]},
        graph_features={"name": ["homolumogap"]},
    )
    found = read(tmp_path, dataset)
    assert found.node_ptr.tolist() == [0, 9, 12]
    assert found.graph["homolumogap"].ravel().tolist() == [7.5, 9.25]


def test_a_file_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "m.csv.gz").write_text("smiles,gap\nC,1\n")
    with pytest.raises(DataError, match=r"m\.csv\.gz: expected text in \.gz, got Not a gzipped"):
        read(tmp_path / "m.csv.gz", lsms_dataset(format="SMILES"))


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"mpnn_type": "PNA"}, False),
        ({"mpnn_type": "PNA", "edge_features": ["lengths", "bond_order"]}, True),
        ({"mpnn_type": "EGNN"}, True),
        ({"mpnn_type": "PNA", "radius": 3.0}, True),
    ],
)
def test_conformers_are_made_for_those_who_see_positions(
    tmp_path: Path, changes: dict[str, Any], moved: bool
) -> None:
    tree = RAW["SMILES"](tmp_path)
    architecture = tree["NeuralNetwork"]["Architecture"]
    for key in ("radius", "edge_features"):
        architecture.pop(key, None)
    architecture |= changes
    store = build(load_config(tree).config, tmp_path).store
    assert bool(np.any(store.node["pos"])) == moved


def test_without_rdkit_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(MissingExtraError, match=r"'rdkit'.*hydria\[smiles\]"):
        molecules(tmp_path, "C,1")


def test_bonds_are_the_edges_where_there_is_no_radius(tmp_path: Path) -> None:
    tree = RAW["SMILES"](tmp_path)
    architecture = tree["NeuralNetwork"]["Architecture"]
    architecture |= {"mpnn_type": "GAT", "edge_features": ["bond_order"]}
    del architecture["radius"]
    store = build(load_config(tree).config, tmp_path).store
    benzene = store[MOLECULES.index("c1ccccc1")]
    assert benzene.num_edges == 24
    orders = np.round(benzene.edge_attr.ravel().numpy() * 3, 3)
    assert sorted(set(orders.tolist())) == [1.0, 1.5]
    architecture["radius"] = 3.0
    near = build(load_config(tree).config, tmp_path).store[MOLECULES.index("c1ccccc1")]
    assert near.num_edges > 24
    assert int((near.edge_attr > 0).sum()) == 24


def test_only_smiles_tell_bond_orders(tmp_path: Path) -> None:
    tree = RAW["LSMS"](tmp_path)
    tree["NeuralNetwork"]["Architecture"]["edge_features"] = ["bond_order"]
    with pytest.raises(ConfigError, match="only SMILES tell bonds"):
        build(load_config(tree).config, tmp_path)
