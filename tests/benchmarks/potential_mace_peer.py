"""mace-torch's errors for `bench_potential_accuracy.py`, run by the Python of its environment.

``python potential_mace_peer.py FOLDER TEST.xyz`` judges the model of the second stage in FOLDER
and prints a line of JSON: root mean square errors in meV/atom and meV/Å.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
from mace.calculators import MACECalculator


def main() -> None:
    """Judge."""
    folder, test = Path(sys.argv[1]), sys.argv[2]
    found = [folder / "si_stagetwo.model", folder / "si.model"]
    model = next(path for path in found if path.exists())
    calculator = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
    energies, forces = [], []
    for frame in ase.io.read(test, ":"):
        energy, truth = frame.info["REF_energy"], frame.arrays["REF_forces"]
        frame.calc = calculator
        energies.append((frame.get_potential_energy() - energy) / len(frame))
        forces.append((frame.get_forces() - truth).ravel())
    errors = {"energy": np.array(energies), "forces": np.concatenate(forces)}
    rmse = {key: float(np.sqrt(np.square(value).mean()) * 1000) for key, value in errors.items()}
    print(json.dumps(rmse))


if __name__ == "__main__":
    main()
