"""Structures find the branch of their data set."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io import write

from hydria.core.errors import DataError
from hydria.data.branches import branch_numbers
from hydria.data.formats import read
from hydria.data.structures import Structures, join, pointers
from tests.support.raw_data import lsms_dataset, make_frames, make_samples


def structures(*names: str, source: list[int] | None = None) -> Structures:
    count = len(names)
    return Structures(
        names=names,
        node_ptr=pointers([1] * count),
        numbers=np.ones(count, np.int32),
        pos=np.zeros((count, 3)),
        source=None if source is None else np.array(source),
    )


def branches(found: Structures, **map_: str) -> list[int]:
    numbers = branch_numbers(found, lsms_dataset(branches=map_))
    assert numbers is not None
    assert numbers.shape == (len(found), 1)
    return numbers.ravel().tolist()


def test_folder_file_or_everything_else_names_the_branch() -> None:
    found = structures("oqmd/a.xyz#3", "mptrj.extxyz.xz#0", "mptrj.extxyz.xz#1", "other")
    names = {"oqmd": "branch-2", "mptrj": "branch-0", "*": "branch-1"}
    assert branches(found, **names) == [2, 0, 0, 1]
    whole = {"mptrj.extxyz.xz": "branch-4", **names}
    assert branches(found, **whole) == [2, 4, 4, 1]


def test_numbers_of_samples_are_branches_or_are_mapped_to_some() -> None:
    found = structures("a.pkl#0", "a.pkl#1", source=[3, 0])
    assert branch_numbers(found, lsms_dataset()).ravel().tolist() == [3, 0]
    assert branches(found, **{"3": "branch-0", "0": "branch-1"}) == [0, 1]


def test_without_any_hint_there_is_no_branch() -> None:
    assert branch_numbers(structures("a"), lsms_dataset()) is None


def test_a_data_set_without_a_branch_is_refused() -> None:
    with pytest.raises(DataError, match=r"b/x.cif: expected one of .* \(a\), got 'b'. Hint"):
        branches(structures("a/y.cif", "b/x.cif"), a="branch-0")


def test_joined_structures_keep_their_numbers() -> None:
    parts = [structures("a", source=[1]), structures("b", source=[2])]
    assert join(parts).source.tolist() == [1, 2]
    assert join([parts[0], replace(parts[1], source=None)]).source is None


def test_files_one_folder_down_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "f.extxyz", make_frames(2), format="extxyz")
    dataset = lsms_dataset(
        format="extxyz",
        node_features={"name": ["numbers"]},
        graph_features={"name": []},
        branches={"one": "branch-1", "two": "branch-0"},
    )
    found = branch_numbers(read(tmp_path, dataset), dataset)
    assert found.ravel().tolist() == [1, 1, 0, 0]


def test_pickled_samples_bring_their_number(tmp_path: Path) -> None:
    samples = make_samples(3)
    for number, sample in enumerate(samples):
        sample.dataset_name = torch.tensor([[number % 2]])
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(samples))
    features = {"name": ["num_of_protons", "charge"], "dim": [1, 1]}
    dataset = lsms_dataset(node_features=features)
    assert read(tmp_path / "s.pkl", dataset).source.tolist() == [0, 1, 0]


def test_attributes_of_pickled_samples_are_a_graph_feature(tmp_path: Path) -> None:
    samples = make_samples(3)
    for number, sample in enumerate(samples):
        sample.graph_attr = torch.tensor([[float(number), 2.0]])
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(samples))
    dataset = lsms_dataset(
        node_features={"name": ["num_of_protons", "charge"]},
        graph_features={"name": ["graph_attr", "energy"], "dim": [2, 1]},
    )
    found = read(tmp_path / "s.pkl", dataset)
    assert found.graph["graph_attr"].tolist() == [[0.0, 2.0], [1.0, 2.0], [2.0, 2.0]]
    energies = [sample.y.ravel()[0].item() for sample in samples]
    assert found.graph["energy"].ravel().tolist() == pytest.approx(energies)
