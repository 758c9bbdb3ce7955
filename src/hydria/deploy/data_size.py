"""How much data a config trains on, as far as that can be told without reading it.

Prepared data tells it exactly. Raw data that is here is counted by its files, or by a mark that
every structure has; pickles are not, because only torch can open them.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydria.config.data_sets import SIZES
from hydria.config.run import RunConfig

# Format → what the names of its files end in, where each file holds one structure.
ONE_EACH = {"LSMS": "", "unit_test": "", "CFG": ".cfg", "XYZ": ".xyz", "POSCAR": ""}
# Format → what stands in a file once for every structure; a table has a line of names above.
MARKS = {"extxyz": b"Properties=", "CIF": b"_cell_length_a", "SMILES": b"\n"}
LINES_OF_NAMES = {"SMILES": 1}
# Suffix → the standard module that unpacks such files.
PACKED = {".xz": "lzma", ".gz": "gzip", ".bz2": "bz2"}
# Counting may cost a tenth of a second.
MOST_BYTES, MOST_PACKED = 64 * 2**20, 4 * 2**20
UNTOLD = "cannot be told without the data: whether ranks and batches suit it is not judged"


@dataclass(frozen=True)
class DataSize:
    """Samples of the training set and bytes of the prepared data; None where untold."""

    samples: int | None
    store_bytes: int | None
    reason: str


def data_size(config: RunConfig, data_root: Path | None) -> DataSize:
    """What is known here of the data.

    Args:
        data_root: where raw and prepared data lie, if that is a folder of this machine.
    """
    try:
        return _found_here(config, data_root)
    except OSError:  # a folder that is another's; the job may still read it where it runs
        return DataSize(None, None, UNTOLD)


def _found_here(config: RunConfig, data_root: Path | None) -> DataSize:
    for folder in _stores(config, data_root):
        samples = json.loads((folder / "summary.json").read_bytes())["num_train"]
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        return DataSize(samples, size, f"prepared data in {folder}")
    part = config.neural_network.training.perc_train if config.dataset.path.total else 1.0
    part *= config.neural_network.variables_of_interest.subsample_percentage or 1.0
    given = config.dataset.path.total or config.dataset.path.train or ""
    for place in _places(given, data_root):
        count = _structures(place, config.dataset.format)
        return DataSize(None if count is None else int(count * part), None, f"counted in {place}")
    made = SIZES.get(config.dataset.name)
    if made is not None and given == made.path:
        return DataSize(int(made.count * part), None, "as Hydria makes or brings this data set")
    return DataSize(None, None, UNTOLD)


def _stores(config: RunConfig, data_root: Path | None) -> Iterator[Path]:
    """Prepared folders of the same data, cut in the same way."""
    if data_root is None:
        return
    training = config.neural_network.training
    meant = {
        "dataset": config.dataset.model_dump(mode="json"),
        "perc_train": training.perc_train,
        "seed": training.seed,
    }
    for file in sorted(data_root.glob(f"stores/{config.dataset.name}-*/provenance.json")):
        written = _config_of(file)
        if {key: written.get(key) for key in meant} == meant:
            yield file.parent


def _config_of(provenance: Path) -> dict[str, Any]:
    try:
        tree = json.loads(provenance.read_bytes())
    except (OSError, ValueError):  # somebody makes it anew just now
        return {}
    return dict(tree.get("config", {}))


def _places(path: str, data_root: Path | None) -> Iterator[Path]:
    """Where raw data is looked for: as its path stands, and below the data root."""
    roots = (Path(), *([data_root] if data_root else ()))
    return (root / path for root in roots if path and (root / path).exists())


def _structures(place: Path, form: str) -> int | None:
    files = [place] if place.is_file() else list(_files_below(place))
    if place.suffix == ".pkl":
        return None
    if form in ONE_EACH:
        return sum(file.name.endswith(ONE_EACH[form]) for file in files)
    if form not in MARKS or not _small(files):
        return None
    found = (_unpacked(file).count(MARKS[form]) - LINES_OF_NAMES.get(form, 0) for file in files)
    return sum(found) or None


def _files_below(folder: Path) -> Iterator[Path]:
    """As the readers see them: in the folder and one level down, hidden ones left out."""
    for entry in _visible(folder):
        if entry.is_dir():
            yield from (Path(file.path) for file in _visible(Path(entry.path)) if file.is_file())
        else:
            yield Path(entry.path)


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in os.scandir(folder) if not entry.name.startswith("."))


def _small(files: Sequence[Path]) -> bool:
    packed = sum(file.stat().st_size for file in files if file.suffix in PACKED)
    plain = sum(file.stat().st_size for file in files if file.suffix not in PACKED)
    return plain <= MOST_BYTES and packed <= MOST_PACKED


def _unpacked(file: Path) -> bytes:
    module = PACKED.get(file.suffix)
    content = file.read_bytes()
    return bytes(importlib.import_module(module).decompress(content)) if module else content
