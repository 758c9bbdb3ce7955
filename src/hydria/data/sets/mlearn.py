"""The data of Zuo et al. (J. Phys. Chem. A 124 (2020) 731, arXiv:1906.08888) as extended XYZ.

The source is a JSON list of pymatgen structures with energy (eV), forces (eV/Å) and
`virial_stress`, six numbers whose order, sign and unit it does not state. They are VASP's: xx, yy,
zz, xy, yz, zx, kilobar, positive under compression. So they follow the slope of the energy within
0.2 % over the 204 pairs of strained silicon cells in the set that differ by less than 3 % of
strain; off the diagonal any other order has no correlation with a fitted potential. They are
passed on as they are, and as `stress` in the units and with the sign of ASE.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydria.core.errors import DataError
from hydria.data.download import Remote
from hydria.data.progress import Progress
from hydria.data.sets.entry import DataSet

# one revision, so that the content behind an address never changes
PUBLISHED = (
    "https://raw.githubusercontent.com/materialsvirtuallab/mlearn/"
    "a04d3b6ecaac47c27aa8f7e452c16a5c9a2a8cff/data"
)
# every so-many-th structure of a group of the source's training set validates instead
VALIDATE_EACH = 9
# eV/Å³
KILOBAR = 0.1 / 160.21766208

Entry = Mapping[str, Any]


def convert(training: Path, test: Path, folder: Path) -> None:
    """Write train, validate and test.extxyz.xz to `folder`; the test set is the source's own.

    Raises:
        DataError: if a file is not what the source publishes.
    """
    train, validate = hold_out(_entries(training))
    sets = {"train": train, "validate": validate, "test": _entries(test)}
    for name, entries in sets.items():
        text = "".join(as_extxyz(entry) for entry in entries)
        with lzma.open(folder / f"{name}.extxyz.xz", "wb", preset=9) as stream:
            stream.write(text.encode("ascii"))


def _entries(file: Path) -> list[Entry]:
    try:
        entries: list[Entry] = json.loads(file.read_text(encoding="utf-8"))
        _ = [entry["structure"]["sites"] for entry in entries]
    except (ValueError, KeyError, TypeError) as err:
        raise DataError(f"{file}: expected structures as mlearn publishes them, got {err}") from err
    return entries


def hold_out(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Training and validation entries; each group (`AIMD-NVT`, ...) is in both."""
    seen: dict[str, int] = {}
    parts: tuple[list[Entry], list[Entry]] = ([], [])
    for entry in entries:
        count = seen[entry["group"]] = seen.get(entry["group"], 0) + 1
        parts[count % VALIDATE_EACH == 0].append(entry)
    return parts


def as_extxyz(entry: Entry) -> str:
    """One frame, every number with the digits of the source."""
    outputs, structure = entry["outputs"], entry["structure"]
    sites = structure["sites"]
    comment = " ".join(_comment(entry, outputs, structure["lattice"]["matrix"]))
    atoms = (
        " ".join([site["species"][0]["element"], *map(_digits, [*site["xyz"], *force])])
        for site, force in zip(sites, outputs["forces"], strict=True)
    )
    return "\n".join([str(len(sites)), comment, *atoms]) + "\n"


def _comment(entry: Entry, outputs: Entry, matrix: Sequence[Sequence[float]]) -> Iterator[str]:
    yield f'Lattice="{_row(number for row in matrix for number in row)}"'
    yield "Properties=species:S:1:pos:R:3:forces:R:3"
    yield f"energy={_digits(outputs['energy'])}"
    yield f'virial_stress="{_row(outputs["virial_stress"])}"'
    yield f'stress="{_row(stress_of(outputs["virial_stress"]))}"'
    yield f"group={entry['group']}"
    yield f'description="{entry["description"]}"'
    yield 'pbc="T T T"'


def stress_of(virial: Sequence[float]) -> list[float]:
    """The nine components of the stress by rows, eV/Å³, positive under tension."""
    xx, yy, zz, xy, yz, zx = (-value * KILOBAR for value in virial)
    return [xx, xy, zx, xy, yy, yz, zx, yz, zz]


def _row(numbers: Iterator[float] | Sequence[float]) -> str:
    return " ".join(map(_digits, numbers))


def _digits(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(float(value) + 0.0)  # no negative zero


def _convert(files: tuple[Path, ...], folder: Path, _: Progress) -> None:
    convert(files[0], files[1], folder)


def _of(element: str, training: str | None = None, test: str | None = None) -> DataSet:
    """The set of one element, with the checksums of the source's files where known."""
    base = f"{PUBLISHED}/{element}"
    return DataSet(
        f"mlearn_{element.lower()}",
        f"{element} from DFT, energies and forces (Zuo et al. 2020, BSD-3), as extended XYZ",
        remote=(
            Remote(f"{base}/training.json", f"{element}_training.json", training),
            Remote(f"{base}/test.json", f"{element}_test.json", test),
        ),
        convert=_convert,
    )


DATA_SETS = (
    _of(
        "Si",
        training="ae6d4b0a65b00e0fcf7ba0a6fad366716710d2f0d21d70199203089c6866b500",
        test="d452b30a89f23bff76f7cc529b7b6c2d159ea81ccd5a4599fb1a18207654fa91",
    ),
    _of("Ge"),
    _of("Li"),
    _of("Mo"),
)
