"""Formats other than LSMS: what is read, and what is refused."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import write

from hydria.config.formats import FORMATS as CONFIG_FORMATS
from hydria.core.errors import DataError
from hydria.data.formats import FORMATS, read
from hydria.data.structures import Structures
from tests.support.raw_data import EDGE, RAW, lsms_dataset, make_frames, make_samples


def _dataset(fmt: str, node: dict[str, Any], graph: dict[str, Any] | None = None) -> Any:
    return lsms_dataset(format=fmt, node_features=node, graph_features=graph or {"name": []})


def _frames(folder: Path, node: list[str], dims: list[int], graph: list[str]) -> Structures:
    write(folder / "f.extxyz", make_frames(3), format="extxyz")
    dataset = _dataset("extxyz", {"name": node, "dim": dims}, {"name": graph})
    return read(folder / "f.extxyz", dataset)


def test_every_format_has_an_example() -> None:
    assert set(RAW) == set(FORMATS)


def test_config_and_readers_know_the_same_formats() -> None:
    assert set(FORMATS) == set(CONFIG_FORMATS)


def test_extended_xyz_keeps_arrays_energies_and_lattice(tmp_path: Path) -> None:
    found = _frames(
        tmp_path, ["atomic_numbers", "forces", "initial_magmoms"], [1, 3, 1], ["energy", "volume"]
    )
    frames = make_frames(3)
    assert found.names == ("f.extxyz#0", "f.extxyz#1", "f.extxyz#2")
    np.testing.assert_allclose(found.node["forces"][:6], frames[0].get_forces(), atol=1e-8)
    np.testing.assert_allclose(
        found.node["initial_magmoms"][:6, 0], frames[0].get_initial_magnetic_moments(), atol=1e-8
    )
    assert found.graph["energy"][2, 0] == pytest.approx(frames[2].get_potential_energy())
    assert found.graph["volume"].ravel() == pytest.approx([EDGE**3] * 3)
    assert found.cell is not None
    assert found.units["energy"] == "eV"


@pytest.mark.parametrize("module", ["lzma", "gzip", "bz2"])
def test_compressed_files_are_read_as_they_are(tmp_path: Path, module: str) -> None:
    plain = _frames(tmp_path, ["numbers"], [1], ["energy"])
    packed = tmp_path / f"f.extxyz.{ {'lzma': 'xz', 'gzip': 'gz', 'bz2': 'bz2'}[module] }"
    content = (tmp_path / "f.extxyz").read_bytes()
    packed.write_bytes(importlib.import_module(module).compress(content))
    found = read(packed, _dataset("extxyz", {"name": ["numbers"]}, {"name": ["energy"]}))
    assert np.array_equal(found.pos, plain.pos)
    assert np.array_equal(found.graph["energy"], plain.graph["energy"])
    packed.write_bytes(content)
    with pytest.raises(DataError, match=rf"{packed.name}: expected text in {packed.suffix}, got"):
        read(packed, _dataset("extxyz", {"name": ["numbers"]}))


def test_a_name_the_frame_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"f\.extxyz#0: Dataset\.node_features asks for 'charge'.*it has .*forces"
    ):
        _frames(tmp_path, ["charge"], [1], [])
    with pytest.raises(DataError, match=r"graph_features asks for 'enthalpy'.*energy"):
        _frames(tmp_path, ["numbers"], [1], ["enthalpy"])


def test_a_wrong_number_of_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected 2 columns of 'forces' .* got 3"):
        _frames(tmp_path, ["forces"], [2], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "expected data, got an empty file"), ("3\nLattice=broken\n", "expected extxyz, got")],
)
def test_a_malformed_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.extxyz").write_text(content)
    with pytest.raises(DataError, match=rf"bad\.extxyz: {message}"):
        read(tmp_path / "bad.extxyz", _dataset("extxyz", {"name": ["numbers"]}))


def test_cfg_columns_and_bulk_file(tmp_path: Path) -> None:
    RAW["CFG"](tmp_path)
    dataset = _dataset(
        "CFG",
        {
            "name": ["protons", "mass", "c", "force"],
            "dim": [1, 1, 1, 3],
            "column_index": [0, 1, 2, 3],
        },
        {"name": ["pair"], "dim": [2], "column_index": [1]},
    )
    found = read(tmp_path / "raw", dataset)
    frame = make_frames(2)[1]
    assert found.node["protons"][6:12, 0].tolist() == frame.numbers.tolist()
    np.testing.assert_allclose(found.node["c"][6:12, 0], np.linspace(-1, 1, 6) + 1, atol=1e-6)
    np.testing.assert_allclose(found.node["force"][6:12], frame.get_forces(), atol=1e-6)
    assert found.graph["pair"].tolist() == [[2.0, 3.0]] * 10
    assert found.cell is not None
    np.testing.assert_allclose(found.cell[0], np.eye(3) * EDGE)


def test_cfg_without_its_bulk_file_or_with_a_bad_one(tmp_path: Path) -> None:
    RAW["CFG"](tmp_path)
    dataset = _dataset("CFG", {"name": ["protons"]}, {"name": ["bulk"]})
    (tmp_path / "raw" / "03.bulk").write_text("much\n")
    with pytest.raises(DataError, match=r"03\.bulk, line 1: expected up to three numbers"):
        read(tmp_path / "raw", dataset)
    (tmp_path / "raw" / "03.bulk").write_text("nan\n")
    with pytest.raises(DataError, match=r"03\.bulk, line 1: expected finite numbers"):
        read(tmp_path / "raw", dataset)
    (tmp_path / "raw" / "03.bulk").unlink()
    with pytest.raises(DataError, match=r"03\.bulk: cannot be read: No such file"):
        read(tmp_path / "raw", dataset)


def test_cfg_without_its_auxiliary_columns(tmp_path: Path) -> None:
    from ase.io.cfg import write_cfg

    frame = make_frames(1)[0]
    frame.calc = None
    del frame.arrays["initial_magmoms"]
    write_cfg(str(tmp_path / "a.cfg"), frame)
    with pytest.raises(DataError, match=r"a\.cfg: expected auxiliary columns .* missing c_peratom"):
        read(tmp_path, _dataset("CFG", {"name": ["protons"]}))


def test_xyz_has_one_node_column(tmp_path: Path) -> None:
    RAW["XYZ"](tmp_path)
    features = {"name": ["protons", "more"], "dim": [1, 1], "column_index": [0, 1]}
    with pytest.raises(DataError, match=r"'more' in columns 1 to 1, expected columns 0 to 0"):
        read(tmp_path / "raw", _dataset("XYZ", features))


def test_xyz_with_several_frames_points_to_extended_xyz(tmp_path: Path) -> None:
    write(tmp_path / "a.xyz", make_frames(2), format="xyz")
    with pytest.raises(DataError, match=r"a\.xyz: expected one structure, got 2.*extxyz"):
        read(tmp_path, _dataset("XYZ", {"name": ["protons"]}))


def test_pickles_come_back_in_their_own_units(tmp_path: Path) -> None:
    RAW["pickle"](tmp_path)
    dataset = _dataset("pickle", {"name": ["type", "charge"]}, {"name": ["energy"]})
    found = read(tmp_path / "made.pkl", dataset)
    sample = make_samples()[1]
    np.testing.assert_allclose(found.node["charge"][6:12, 0], sample.x[:, 1] * 4 - 1, atol=1e-6)
    np.testing.assert_allclose(found.graph["energy"][1], sample.y * 10 + 10, atol=1e-6)


def test_a_bare_list_of_samples_is_taken_as_it_is(tmp_path: Path) -> None:
    samples = make_samples(2)
    for sample in samples:
        sample.cell = np.eye(3) * EDGE
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps(samples))
    found = read(tmp_path / "bare.pkl", _dataset("LSMS", {"name": ["type", "charge"]}))
    np.testing.assert_array_equal(found.node["type"][:6, 0], samples[0].x[:, 0])
    assert found.cell is not None
    assert found.pbc is not None
    assert found.cell.shape == (2, 3, 3)
    assert found.pbc.all()


class _Trap:
    """A pickle of it would create a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_pickles_that_would_run_something_are_refused(tmp_path: Path) -> None:
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps([_Trap(tmp_path / "sprung")]))
    with pytest.raises(DataError, match=r"trap\.pkl: expected a pickle, got UnpicklingError"):
        read(tmp_path / "trap.pkl", _dataset("pickle", {"name": ["type"]}))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": 1}), "expected a pickled list of torch_geometric samples.* got dict"),
        (pickle.dumps([1, 2])[:-2], "expected a pickle, got"),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "other.pkl").write_bytes(content)
    with pytest.raises(DataError, match=rf"other\.pkl: {message}"):
        read(tmp_path / "other.pkl", _dataset("pickle", {"name": ["type"]}))


def test_a_pickle_with_too_few_columns(tmp_path: Path) -> None:
    (tmp_path / "few.pkl").write_bytes(pickle.dumps(make_samples(2)))
    dataset = _dataset("pickle", {"name": ["a", "b", "c"]})
    with pytest.raises(DataError, match=r"few\.pkl#0: expected 3 columns for .*a, b, c"):
        read(tmp_path / "few.pkl", dataset)
