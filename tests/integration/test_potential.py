"""A potential is trained, judged, and used from ASE and from files."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from torch_geometric.data import Data
from typer.testing import CliRunner

from hydria.cli.export import app as export_app
from hydria.cli.predict import app
from hydria.cli.validate import app as validate_app
from hydria.config import load_config
from hydria.core.errors import ConfigError, DataError, HydriaError
from hydria.data.energies import warn_about_units
from hydria.data.prepare import build
from hydria.data.structures import Structures
from hydria.potential import HydriaCalculator
from tests.support.potentials import emt_frames, potential_tree
from tests.support.runs import command_env, run_here

EPOCHS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A potential in double precision that has learnt something."""
    folder = tmp_path_factory.mktemp("potential")
    tree = potential_tree(
        folder,
        num_epoch=EPOCHS,
        precision="fp64",
        ema_decay=0.9,
        Optimizer={"type": "AdamW", "learning_rate": 5e-3},
        stages=[{"epoch": 45, "energy_peratom_weight": 10.0, "learning_rate": 1e-3}],
    )
    run_here(tree, folder / "run")
    return folder / "run"


@pytest.fixture
def atoms() -> Atoms:
    frame = emt_frames(1, seed=5)[0]
    frame.calc = None
    return frame


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text())
    return found


# --- training -----------------------------------------------------------------------------------


def test_errors_have_the_units_of_the_field(run: Path) -> None:
    heads = results(run)["heads"]
    assert {name: head["unit"] for name, head in heads.items()} == {
        "energy_per_atom": "meV/atom",
        "forces": "meV/Å",
        "stress": "GPa",
    }
    for head in heads.values():
        kinds = head["by_config_type"]
        assert set(kinds) <= {"hot", "cold"}
        total = sum(kind["mae"] * kind["n"] for kind in kinds.values())
        assert total / head["n"] == pytest.approx(head["mae"])
    elements = heads["forces"]["by_element"]
    assert set(elements) == {"Cu", "Au"}
    assert sum(part["n"] for part in elements.values()) == heads["forces"]["n"]


def test_forces_are_learnt(run: Path) -> None:
    forces = results(run)["heads"]["forces"]
    assert forces["r2"] > 0.5
    assert forces["cosine"] > 0.7


def test_predictions_name_kinds_of_structures(run: Path) -> None:
    table = pq.read_table(run / "predictions" / "test.parquet")
    assert set(table["head"].to_pylist()) == {"energy_per_atom", "forces", "stress"}
    assert set(table["config_type"].to_pylist()) <= {"hot", "cold"}


def test_weights_of_the_loss_change_in_the_middle(run: Path) -> None:
    """The energy weighs ten times as much from epoch 45 on, and the rate falls."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    before, after = records[44], records[45]

    def weighed(record: dict[str, Any], energy: float) -> float:
        weights = {"energy_per_atom": energy, "forces": 5.0, "stress": 1.0}
        return sum(weights[name] * loss for name, loss in record["val_losses"].items())

    assert before["val_loss"] == pytest.approx(weighed(before, 1.0))
    assert after["val_loss"] == pytest.approx(weighed(after, 10.0))
    assert (before["lr"], after["lr"]) == (5e-3, 1e-3)
    assert results(run)["epoch"] >= 45


def test_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    """Averaged weights and stages included; the run is taken up in its second stage."""
    options: dict[str, Any] = {"ema_decay": 0.8, "stages": [{"epoch": 2, "force_weight": 1.0}]}
    whole = potential_tree(tmp_path, num_epoch=5, **options)
    run_here(whole, tmp_path / "whole")
    run_here(potential_tree(tmp_path, num_epoch=3, **options), tmp_path / "parted")
    run_here(whole, tmp_path / "parted", resume=True)
    one, two = (
        [json.loads(line)["val_loss"] for line in (tmp_path / name / "metrics.jsonl").open()]
        for name in ("whole", "parted")
    )
    assert one == two
    assert results(tmp_path / "whole")["heads"] == results(tmp_path / "parted")["heads"]


# --- wrong input --------------------------------------------------------------------------------


def test_data_without_forces_is_refused(tmp_path: Path) -> None:
    tree = potential_tree(tmp_path)
    tree["Dataset"]["node_features"] = {"name": ["atomic_numbers"], "dim": [1]}
    with pytest.raises(ConfigError, match=r"expected .forces. .3 columns.*force_weight"):
        run_here(tree, tmp_path / "run")


def test_forces_that_the_files_lack_are_named(tmp_path: Path) -> None:
    frames = emt_frames(4)
    del frames[2].calc.results["forces"]
    ase.io.write(tmp_path / "frames.extxyz", frames)
    with pytest.raises(DataError, match=r"frames.extxyz#2.*'forces'"):
        run_here(potential_tree(tmp_path), tmp_path / "run")


def test_stress_of_open_structures_is_refused(tmp_path: Path) -> None:
    tree = potential_tree(tmp_path, {"periodic_boundary_conditions": False})
    with pytest.raises(DataError, match="stress: expected structures that are periodic"):
        run_here(tree, tmp_path / "run")


# --- ASE ----------------------------------------------------------------------------------------


def test_calculator_gives_what_the_run_predicted(run: Path) -> None:
    frames = ase.io.read(run.parent / "frames.extxyz", ":")
    table = pq.read_table(run / "predictions" / "test.parquet").to_pylist()
    energies = {r["sample"]: r for r in table if r["head"] == "energy_per_atom"}
    calculator = HydriaCalculator(run)
    for sample, row in energies.items():
        frame = frames[sample].copy()
        frame.calc = calculator
        energy = frame.get_potential_energy() / len(frame) * 1e3
        assert energy == pytest.approx(row["prediction"], abs=1e-6)
        own = [r["prediction"] for r in table if (r["head"], r["sample"]) == ("stress", sample)]
        assert frame.get_stress() / units.GPa == pytest.approx(own, abs=1e-8)


def test_dynamics_keep_the_energy_and_search_seldom(run: Path, atoms: Atoms) -> None:
    atoms = atoms.repeat((1, 2, 2))
    atoms.calc = HydriaCalculator(run, skin=1.0)
    BFGS(atoms, logfile=None).run(fmax=0.2, steps=30)
    rng = np.random.default_rng(0)
    masses = atoms.get_masses()[:, None]
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * np.sqrt(masses * units.kB * 300))
    before = atoms.get_total_energy()
    searches = atoms.calc.neighbours.searches
    VelocityVerlet(atoms, 2 * units.fs).run(100)
    assert abs(atoms.get_total_energy() - before) < 1e-3 * len(atoms)
    assert atoms.calc.neighbours.searches - searches < 30
    fresh = atoms.copy()
    fresh.calc = HydriaCalculator(run)
    np.testing.assert_allclose(atoms.get_forces(), fresh.get_forces(), atol=1e-10)


def test_thermostat_and_relaxation_run(run: Path, atoms: Atoms) -> None:
    atoms.calc = HydriaCalculator(run)
    rng = np.random.default_rng(1)
    Langevin(atoms, 2 * units.fs, temperature_K=300, friction=0.02, rng=rng).run(20)
    assert np.isfinite(atoms.get_positions()).all()
    before = atoms.get_potential_energy()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(steps=10)
    assert atoms.get_potential_energy() < before


def test_unseen_elements_are_named_unless_allowed(run: Path) -> None:
    other = Atoms("CuNiAu", positions=[[0, 0, 0], [2.5, 0, 0], [0, 2.6, 0]])
    other.calc = HydriaCalculator(run)
    with pytest.raises(HydriaError, match=r"training set \(Cu, Au\), got Ni too"):
        other.get_forces()
    other.calc = HydriaCalculator(run, allow_unseen_elements=True)
    assert np.isfinite(other.get_forces()).all()
    with pytest.raises(PropertyNotImplementedError, match="periodic along all axes"):
        other.get_stress()


def test_a_run_of_other_properties_is_no_potential(run: Path, tmp_path: Path) -> None:
    tree = potential_tree(run.parent)
    tree["NeuralNetwork"]["Architecture"]["enable_interatomic_potential"] = False
    tree["NeuralNetwork"]["Variables_of_interest"]["type"] = ["graph"]
    tree["NeuralNetwork"]["Architecture"]["output_heads"] = {"graph": {}}
    run_here(tree, tmp_path / "run")
    with pytest.raises(HydriaError, match="expected an interatomic potential"):
        HydriaCalculator(tmp_path / "run")


# --- exported files -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    path = run.parent / "potential.pt2"
    done = CliRunner().invoke(export_app, [str(run), "--out", str(path)])
    assert done.exit_code == 0, done.output
    return path


def test_exported_potential_gives_identical_forces(run: Path, exported: Path, atoms: Atoms) -> None:
    other = atoms.copy()
    atoms.calc, other.calc = HydriaCalculator(run), HydriaCalculator(exported)
    assert other.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(other.get_forces(), atoms.get_forces(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(other.get_stress(), atoms.get_stress(), rtol=0, atol=1e-12)
    other.symbols[0] = "Ni"
    with pytest.raises(HydriaError, match="got Ni too"):
        other.get_potential_energy()


LIGHT = """
import sys
for name in ("torch_geometric", "e3nn", "adios2", "mpi4py.MPI", "pyarrow", "tensorboard"):
    sys.modules[name] = None
from ase.build import bulk
from hydria.potential import HydriaCalculator
atoms = bulk("Cu", cubic=True)
atoms.calc = HydriaCalculator(sys.argv[1])
print(atoms.get_potential_energy(), *atoms.get_stress())
heavy = ("hydria.models", "hydria.train", "hydria.workloads", "hydria.data", "hydria.nn")
assert not [name for name in sys.modules if name.startswith(heavy)]
"""


def test_exported_potential_needs_nothing_of_what_trains(run: Path, exported: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(exported)],
        capture_output=True, text=True, timeout=120, check=False, env=command_env(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    atoms = bulk("Cu", cubic=True)
    atoms.calc = HydriaCalculator(run)
    found = [float(word) for word in done.stdout.split()]
    assert found == pytest.approx([atoms.get_potential_energy(), *atoms.get_stress()], abs=1e-9)


def test_what_is_no_exported_potential_is_refused(tmp_path: Path, exported: Path) -> None:
    (tmp_path / "torn.pt2").write_bytes(exported.read_bytes()[:1000])
    with pytest.raises(HydriaError, match="expected a potential that hydria export wrote"):
        HydriaCalculator(tmp_path / "torn.pt2")
    with pytest.raises(HydriaError, match="expected float64, the precision it was exported in"):
        HydriaCalculator(exported, precision="fp32")


# --- checks -------------------------------------------------------------------------------------


def test_validation_stands_beside_a_calculator_of_ase(run: Path, tmp_path: Path) -> None:
    """The bulk modulus is found twice: from energies, and from stresses."""
    ordered = bulk("Cu", cubic=True, a=3.85)
    ordered.numbers[0] = 79
    ase.io.write(tmp_path / "ordered.extxyz", ordered)
    arguments = [str(run), "--crystal", str(tmp_path / "ordered.extxyz"), "--reference", "emt"]
    done = CliRunner().invoke(validate_app, [*arguments, "--time", "0.05", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = {line[:20].strip(): line[20:].split() for line in done.output.splitlines()}
    for column, tolerance in ((0, 0.1), (-1, 0.03)):  # ours is young and far from quadratic
        first, second, modulus = (
            float(rows[name][column]) for name in ("C11 (GPa)", "C12 (GPa)", "bulk modulus (GPa)")
        )
        assert (first + 2 * second) / 3 == pytest.approx(modulus, rel=tolerance)
    assert 0.5 < float(rows["vacancy (eV)"][-1]) < 2.0
    kept = json.loads((tmp_path / "validation.json").read_text())
    assert kept["lattice"][0] == pytest.approx(float(rows["lattice (Å)"][0]), abs=1e-4)
    page = (tmp_path / "validation.html").read_text()
    assert "data:image/svg+xml" in page
    assert "C44 (GPa)" in page


def test_a_crystal_must_be_named_when_there_are_several_elements(run: Path) -> None:
    with pytest.raises(HydriaError, match="because the training set has Cu, Au"):
        CliRunner().invoke(validate_app, [str(run)], catch_exceptions=False)


# --- files --------------------------------------------------------------------------------------


def test_files_are_predicted_as_the_calculator_does(
    run: Path, tmp_path: Path, atoms: Atoms
) -> None:
    molecule = Atoms("CuAu", positions=[[0, 0, 0], [2.4, 0.1, 0]])
    told = emt_frames(2, seed=9)
    ase.io.write(tmp_path / "in.extxyz", [atoms, molecule, *told], format="extxyz")
    out = tmp_path / "out.extxyz"
    done = CliRunner().invoke(
        app, [str(run), "--input", str(tmp_path / "in.extxyz"), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "in.extxyz#3" in done.output
    assert "meV/atom" in done.output
    frames = ase.io.read(out, ":")
    calculator = HydriaCalculator(run)
    for frame in frames:
        again = frame.copy()
        again.calc = calculator
        assert frame.get_potential_energy() == pytest.approx(again.get_potential_energy())
        np.testing.assert_allclose(frame.get_forces(), again.get_forces(), atol=1e-7)
    assert frames[2].info["reference_energy"] == pytest.approx(told[0].get_potential_energy())
    reference = frames[2].arrays["reference_forces"]
    np.testing.assert_allclose(reference, told[0].get_forces(), atol=1e-8)
    assert "stress" not in frames[1].calc.results
    assert frames[0].get_stress().shape == (6,)


def test_files_with_other_elements_are_refused_whole(run: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "in.xyz", Atoms("Pt2", positions=[[0, 0, 0], [2.5, 0, 0]]))
    out = tmp_path / "out.extxyz"
    with pytest.raises(HydriaError, match="got Pt too"):
        CliRunner().invoke(
            app,
            [str(run), "--input", str(tmp_path / "in.xyz"), "--out", str(out)],
            catch_exceptions=False,
        )
    assert not out.exists()


def test_pickled_samples_with_forces_are_trained_on(tmp_path: Path) -> None:
    """As HydraGNN has them: energy, forces and cell are attributes of the samples."""
    samples = []
    for frame in emt_frames(8):
        samples.append(
            Data(
                x=torch.as_tensor(frame.numbers, dtype=torch.float32).unsqueeze(1),
                pos=torch.as_tensor(frame.positions, dtype=torch.float32),
                cell=torch.as_tensor(frame.cell.array, dtype=torch.float32),
                pbc=torch.tensor([True] * 3),
                atomic_numbers=torch.as_tensor(frame.numbers),
                energy=torch.tensor([frame.get_potential_energy()]),
                forces=torch.as_tensor(frame.get_forces(), dtype=torch.float32),
            )
        )
    with (tmp_path / "samples.pkl").open("wb") as stream:
        pickle.dump(samples, stream)
    tree = potential_tree(tmp_path, {"stress_weight": 0.0})
    tree["Dataset"].update(path={"total": str(tmp_path / "samples.pkl")}, format="pickle")
    tree["Dataset"]["graph_features"] = {"name": ["energy"], "dim": [1]}
    run_here(tree, tmp_path / "run")
    heads = results(tmp_path / "run")["heads"]
    assert set(heads) == {"energy_per_atom", "forces"}


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ((1 / 27.2114, 1.0), "energies scale like Hartree beside forces in eV/Å"),
        ((1 / 13.6057, 1.0), "energies scale like Rydberg beside forces in eV/Å"),
        ((1 / 27.2114, 0.529177 / 27.2114), "energies scale like Hartree and forces"),
        ((1.0, 1.0), None),
    ],
)
def test_units_that_look_wrong_are_told(
    tmp_path: Path,
    factors: tuple[float, float],
    told: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Along a trajectory energies change as much as the forces say, in the right units."""
    (first,) = emt_frames(1, seed=2)
    first.calc = EMT()
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(12):
        first.positions += rng.normal(0, 0.02, first.positions.shape)
        frame = first.copy()
        energy, forces = first.get_potential_energy(), first.get_forces()
        frame.calc = SinglePointCalculator(
            frame, energy=energy * factors[0], forces=forces * factors[1]
        )
        frames.append(frame)
    ase.io.write(tmp_path / "frames.extxyz", frames)
    tree = potential_tree(tmp_path, {"stress_weight": 0.0})
    tree["Dataset"]["graph_features"] = {"name": ["energy"], "dim": [1]}
    with caplog.at_level("WARNING"):
        build(load_config(tree).config, tmp_path)
    messages = [record.getMessage() for record in caplog.records]
    warned = [message for message in messages if "scale like" in message]
    assert len(warned) == (told is not None)
    assert told is None or warned[0].startswith(told)


def test_energies_of_all_electrons_in_hartree_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    structures = Structures(("one",), np.array([0, 1]), np.array([6]), np.zeros((1, 3)))
    for energy, unit in ((-37.8, "Hartree"), (-75.7, "Rydberg"), (-1029.0, None), (-9.0, None)):
        caplog.clear()
        warn_about_units(structures, np.array([energy]), None, {6: energy})
        assert [unit in record.getMessage() for record in caplog.records] == [True] * bool(unit)
