"""Data sets of molecules: what is computed, and published files that are read."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

from hydria.cli.main import run
from hydria.core.errors import DataError, MissingExtraError
from hydria.data.catalog import CATALOG
from hydria.data.download import Remote
from hydria.data.progress import silent
from hydria.data.sets import md17, molecules, ogb_gap, qm9, zinc
from tests.support.http_server import running_server

METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t\
-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 9.063972942*^-1\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""


def qm9_files() -> dict[str, bytes]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2") as archive:
        for number in (1, 2, 3):
            text = METHANE.replace("gdb 1", f"gdb {number}").encode()
            member = tarfile.TarInfo(f"dsgdb9nsd_{number:06d}.xyz")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    listed = "\n".join([*["heading"] * 9, "    2  CC  C[CH2]", "1 compounds", ""])
    return {"dsgdb9nsd.xyz.tar.bz2": packed.getvalue(), "uncharacterized.txt": listed.encode()}


def md17_files() -> dict[str, bytes]:
    rng = np.random.RandomState(0)
    packed = io.BytesIO()
    np.savez(packed, z=np.array([6, 1]), R=rng.rand(3, 2, 3), E=np.full((3, 1), -2.0),
             F=np.ones((3, 2, 3)))  # fmt: skip
    return {"md17_uracil.npz": packed.getvalue()}


def zinc_files() -> dict[str, bytes]:
    # as published: a line break inside the quoted SMILES
    table = 'smiles,logP,qed,SAS\n"c1ccccc1\n",1.6866,0.44,1.0\n"C1CCCCCC1\n",2.7307,0.46,1.5\n'
    return {"250k_rndm_zinc_drugs_clean_3.csv": table.encode()}


def ogb_files() -> dict[str, bytes]:
    packed = io.BytesIO()
    table = "idx,smiles,homolumogap\n0,CCO,7.5\n1,c1ccccc1,6.25\n2,CC,\n"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pcqm4m-v2/raw/data.csv.gz", gzip.compress(table.encode()))
        archive.writestr("pcqm4m-v2/RELEASE_v1.txt", "")
    return {"pcqm4m-v2.zip": packed.getvalue()}


PUBLISHED: dict[str, Callable[[], dict[str, bytes]]] = {
    "qm9": qm9_files,
    "md17": md17_files,
    "zinc": zinc_files,
    "ogb_gap": ogb_files,
}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_files_become_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From the command to a file that formats read."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files = PUBLISHED[name]()
    data_set = CATALOG[name]
    assert {remote.file for remote in data_set.remote} == set(files)
    with running_server(files) as server:
        remote = tuple(
            Remote(server.url(remote.file), remote.file,
                   md5=remote.md5 and hashlib.md5(files[remote.file]).hexdigest())
            for remote in data_set.remote
        )  # fmt: skip
        monkeypatch.setitem(CATALOG, name, replace(data_set, remote=remote))
        with pytest.raises(SystemExit) as done:
            run(["data", "fetch", name, "--data", str(tmp_path)])
    assert done.value.code == 0
    CHECKS[name](tmp_path / name)


def _check_qm9(folder: Path) -> None:
    frames = ase.io.read(folder / "qm9.extxyz", index=":")
    assert len(frames) == 2  # without the inconsistent one
    # ASE knows this name as a result
    assert frames[0].calc.results["free_energy"] == pytest.approx(-40.498597 * 27.211386, abs=1e-4)
    assert frames[0].info["gap"] == pytest.approx(0.5048 * 27.211386, abs=1e-5)
    assert frames[0].info["alpha"] == 13.21
    assert frames[0].get_chemical_formula() == "CH4"
    assert frames[0].positions[4, 2] == pytest.approx(0.9063972942)


def _check_md17(folder: Path) -> None:
    frames = ase.io.read(folder / "md17.extxyz", index=":")
    assert len(frames) == 3
    assert frames[0].get_potential_energy() == pytest.approx(-2 * 0.0433641, abs=1e-6)
    assert frames[0].get_forces() == pytest.approx(0.0433641, abs=1e-6)


def _check_zinc(folder: Path) -> None:
    rows = (folder / "zinc.csv").read_text().splitlines()
    assert rows[0] == "smiles,penalized_logp"
    benzene, ring_of_seven = (float(row.split(",")[1]) for row in rows[1:])
    # (logP - 2.457) / 1.434 + (3.053 - SA) / 0.834 + (0.049 - cycles) / 0.286
    assert benzene == pytest.approx(2.09517, abs=1e-5)
    assert ring_of_seven == pytest.approx(-1.27300, abs=1e-5)


def _check_ogb(folder: Path) -> None:
    text = (folder / "ogb_gap.csv").read_text()
    assert text == "smiles,gap\nCCO,7.5\nc1ccccc1,6.25\n"


CHECKS = {"qm9": _check_qm9, "md17": _check_md17, "zinc": _check_zinc, "ogb_gap": _check_ogb}


@pytest.mark.parametrize(
    ("data_set", "content", "message"),
    [
        (md17, b"no archive", r"raw: expected the arrays z, R, E and F of MD17"),
        (ogb_gap, b"no archive", r"raw: expected PCQM4Mv2"),
        (zinc, b"smiles,logP\nC,1\n", r"raw, row 1: expected smiles, logP and SAS of ZINC-250k"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, data_set: Any, content: bytes, message: str
) -> None:
    (tmp_path / "raw").write_bytes(content)
    (tmp_path / "new").mkdir()
    with pytest.raises(DataError, match=message):
        data_set.convert((tmp_path / "raw",), tmp_path / "new", silent)


def test_other_archives_than_qm9_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dsgdb9nsd_000007\.xyz: expected a molecule as QM9 has"):
        qm9.parse("dsgdb9nsd_000007.xyz", "3\nsomething else\n")
    for name, content in qm9_files().items():
        (tmp_path / name).write_bytes(content[:100])
    files = tuple(tmp_path / name for name in qm9_files())
    with pytest.raises(DataError, match="expected QM9's archive"):
        qm9.convert(files, tmp_path, silent)


def test_the_collection_keeps_to_its_limits() -> None:
    from rdkit import Chem

    found = list(islice(molecules.collection(frozenset("CNOF"), 2, 9, cut=True), 200))
    assert len(set(found)) == 200
    for smiles in found:
        molecule = Chem.MolFromSmiles(smiles)
        assert 2 <= molecule.GetNumHeavyAtoms() <= 9
        assert {atom.GetSymbol() for atom in molecule.GetAtoms()} <= set("CNOF")
        assert Chem.GetFormalCharge(molecule) == 0
        assert not any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())


def test_water_by_force_field_and_tight_binding() -> None:
    water = molecules.relaxed("O")
    modes = molecules.vibrations(water) * 8065.54  # 1/cm
    assert len(modes) == 3
    assert 1400 < modes[0] < 1900  # bending; measured: 1595
    assert ((modes[1:] > 3400) & (modes[1:] < 4100)).all()  # stretching; measured: 3657, 3756
    state = molecules.electronic(water, "GFN2-xTB")
    assert state is not None
    assert state.energy == pytest.approx(-5.0705 * 27.2114, abs=0.02)
    assert 1.8 < state.dipole < 2.5  # Debye; measured: 1.85
    assert state.homo < state.lumo


def test_linear_molecules_have_a_mode_more() -> None:
    assert len(molecules.vibrations(molecules.relaxed("O=C=O"))) == 3 * 3 - 5


def test_entropy_lowers_the_free_energy() -> None:
    frame = qm9.described("CCO")
    assert frame is not None
    assert -1.0 < frame.info["free_energy"] - frame.info["U0"] < -0.3  # eV; measured: -0.7
    assert frame.info["gap"] > 5


def test_more_molecules_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--count: expected at most 3 molecules, got 4"):
        list(molecules.first(4, ["C", "N", "O"], str.lower, silent))


@pytest.mark.parametrize(("module", "hint"), [("rdkit", "rdkit"), ("tblite", "tblite")])
def test_without_chemistry_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, hint: str
) -> None:
    for name in (module, f"{module}.ase", f"{module}.exceptions", f"{module}.interface"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("qm9", "ogb_gap"):
        with pytest.raises(MissingExtraError, match=rf"'{hint}'.*hydria\[molecules\]"):
            CATALOG[name].provide(tmp_path, count=1)
    assert list(tmp_path.iterdir()) == []
