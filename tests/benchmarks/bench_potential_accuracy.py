"""Potentials of silicon beside mace-torch: errors on the test set after equal times of training.

``python tests/benchmarks/bench_potential_accuracy.py [--seconds 600] [--seeds 3] [NAME ...]``

Every candidate trains on the structures of `dft_si` on one thread for about as many seconds, with
as many epochs as a first epoch says fit; mace-torch with the two stages its authors recommend and
the sizes of our MACE. The candidates take turns, seed by seed. Prints the medians over the seeds;
the targets are mace-torch's own errors, for MACE and for the better of PAINN and EGNN.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness
from bench_models import mace_python

from hydria.core.assets import asset_dir

HERE = Path(__file__).resolve().parent
FIRST_EPOCHS = 2  # the second is timed: the first warms up
SECOND_STAGE = 0.75  # part of the epochs before it
STAGE = {"energy_peratom_weight": 1000.0, "learning_rate": 0.001}
OURS: dict[str, tuple[str, ...]] = {
    "MACE": (),
    "PAINN": ("mpnn_type=PAINN", "num_radial=20", "hidden_dim=64", "num_conv_layers=3"),
    "EGNN": ("mpnn_type=EGNN", "hidden_dim=64", "num_conv_layers=3"),
}
# slower than for MACE, whose weights are scaled inside
RATES = {"PAINN": 0.002, "EGNN": 0.002}
PEER = "mace-torch"
PEER_ARGUMENTS = (
    "--model=MACE", "--hidden_irreps=32x0e+32x1o", "--r_max=5.0", "--num_interactions=2",
    "--correlation=3", "--max_ell=3", "--batch_size=4", "--valid_batch_size=8", "--lr=0.01",
    "--amsgrad", "--ema", "--ema_decay=0.99", "--weight_decay=5e-7", "--E0s=average",
    "--scaling=rms_forces_scaling", "--energy_weight=1.0", "--forces_weight=100.0", "--swa",
    "--swa_lr=0.001", "--swa_energy_weight=1000.0", "--swa_forces_weight=100.0",
    "--energy_key=REF_energy", "--forces_key=REF_forces", "--default_dtype=float32",
    "--device=cpu", "--eval_interval=1", "--error_table=PerAtomRMSE",
)  # fmt: skip
SETS = ("train", "validate", "test")


def environment() -> dict[str, str]:
    """One thread, and nothing of a launcher."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **one, "HYDRIA_DEVICE": "cpu", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}


def call(command: list[str], folder: Path, log: Path) -> float:
    """Run a command and give its seconds.

    Raises:
        SystemExit: with the end of its output, if it fails.
    """
    start = time.perf_counter()
    with log.open("w") as stream:
        done = subprocess.run(
            command, cwd=folder, env=environment(), stdout=stream, stderr=stream, check=False
        )
    if done.returncode:
        print(log.read_text()[-3000:])
        raise SystemExit(f"{' '.join(command[:3])} failed; {log}")
    return time.perf_counter() - start


def train_ours(name: str, folder: Path, seed: int, epochs: int) -> dict[str, Any]:
    """Train one of ours; its results, and the seconds of its epochs."""
    run = folder / f"{name}-{seed}-{epochs}"
    stage = max(1, round(SECOND_STAGE * epochs))
    stages = [{"epoch": stage, **STAGE}] if stage < epochs else []
    command = [
        sys.executable, "-m", "hydria", "train", "dft_si_mlip", "--run-dir", str(run), "--force",
        "--data", str(folder / "data"), f"num_epoch={epochs}", f"seed={seed}", *OURS[name],
        f"NeuralNetwork.Training.stages={json.dumps(stages)}",
    ]  # fmt: skip
    if name in RATES:
        command.append(f"NeuralNetwork.Training.Optimizer.learning_rate={RATES[name]}")
    call(command, folder, folder / f"{name}.log")
    results = json.loads((run / "results.json").read_text())
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "energy": results["heads"]["energy_per_atom"]["rmse"],
        "forces": results["heads"]["forces"]["rmse"],
        "seconds": sum(record["seconds"] for record in records),
        "epoch_s": records[-1]["seconds"],
    }


def train_peer(python: Path, folder: Path, seed: int, epochs: int) -> dict[str, Any]:
    """Train mace-torch; the same figures."""
    work = folder / f"{PEER}-{seed}-{epochs}"
    work.mkdir(exist_ok=True)
    command = [
        str(python), "-m", "mace.cli.run_train", "--name=si", f"--seed={seed}",
        f"--train_file={folder / 'train.xyz'}", f"--valid_file={folder / 'validate.xyz'}",
        f"--max_num_epochs={epochs}", f"--start_swa={max(1, round(SECOND_STAGE * epochs))}",
        *PEER_ARGUMENTS,
    ]  # fmt: skip
    seconds = call(command, work, folder / f"{PEER}.log")
    judge = [str(python), str(HERE / "potential_mace_peer.py"), str(work), str(folder / "test.xyz")]
    done = subprocess.run(judge, env=environment(), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "seconds": seconds, "epoch_s": seconds / epochs}


def write_sets(folder: Path) -> None:
    """The sets as mace-torch reads them: targets under keys of their own."""
    for name in SETS:
        packed = asset_dir("bundled") / "dft_si" / f"{name}.extxyz.xz"
        text = lzma.decompress(packed.read_bytes()).decode()
        text = text.replace(" energy=", " REF_energy=").replace("forces:R:3", "REF_forces:R:3")
        (folder / f"{name}.xyz").write_text(text)


def table(medians: Mapping[str, Mapping[str, float]]) -> str:
    """Errors as text."""
    lines = [f"{'':<12}{'energy (meV/atom)':>18}{'forces (meV/Å)':>16}{'epochs':>8}{'seconds':>9}"]
    lines += [
        f"{name:<12}{row['energy']:>18.2f}{row['forces']:>16.1f}{row['epochs']:>8.0f}"
        f"{row['seconds']:>9.0f}"
        for name, row in medians.items()
    ]
    return "\n".join(lines)


def main() -> int:
    """Train, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[PEER, *OURS], help="candidates")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each training")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.names}
    with tempfile.TemporaryDirectory(prefix="potentials-") as place:
        folder = Path(place)
        write_sets(folder)
        python = mace_python() if PEER in rows else None

        def train(name: str, seed: int, epochs: int) -> dict[str, Any]:
            if name == PEER:
                assert python is not None
                return train_peer(python, folder, seed, epochs)
            return train_ours(name, folder, seed, epochs)

        epochs = {
            name: max(
                FIRST_EPOCHS, int(arguments.seconds / train(name, 0, FIRST_EPOCHS)["epoch_s"])
            )
            for name in rows
        }
        for seed in range(arguments.seeds):
            for name, found in rows.items():
                found.append({**train(name, seed, epochs[name]), "epochs": epochs[name]})
                print(f"seed {seed}  {name:<12}{json.dumps(found[-1])}", flush=True)
    medians = {
        name: {key: statistics.median(row[key] for row in found) for key in found[0]}
        for name, found in rows.items()
    }
    print(table(medians))
    return judge(medians, arguments.seconds)


def judge(medians: Mapping[str, Mapping[str, float]], seconds: float) -> int:
    """Compare with mace-torch, where it took part, and end with a line of JSON."""
    bench = harness.Bench("potential_accuracy", ("torch", "numpy", "ase"))
    peer = medians.get(PEER)
    for names in (("MACE",), ("PAINN", "EGNN")):
        took_part = [name for name in names if name in medians]
        if not took_part:
            continue
        ours = min(took_part, key=lambda name: medians[name]["forces"])
        for key, unit in (("energy", "meV/atom"), ("forces", "meV/Å")):
            value, target = medians[ours][key], peer and peer[key]
            ok = target is None or value <= target
            verdict = (
                "" if target is None else f" (target ≤ {target:.2f}) {'ok' if ok else 'MISSED'}"
            )
            name = f"{ours}, RMSE of {key} after {seconds:.0f} s"
            print(f"{name}: {value:.2f} {unit}{verdict}", flush=True)
            bench.figures.append(
                {"name": name, "value": value, "unit": unit, "target": target, "ok": ok}
            )
    return bench.finish()


if __name__ == "__main__":
    raise SystemExit(main())
