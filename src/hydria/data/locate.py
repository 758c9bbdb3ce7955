"""Where the raw data of a config lies, and making it where a catalog knows how."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hydria.config.dataset import Dataset
from hydria.core.errors import DataError
from hydria.data.address import parted
from hydria.data.catalog import CATALOG
from hydria.data.progress import Progress, silent
from hydria.data.splits import SETS

TOTAL = "total"


def locate(path: str, data_root: Path) -> Path | None:
    """An existing file or folder: as it stands (from the working directory), or below the root.

    It may bear a label, as stores do: `PATH#LABEL`.
    """
    written = Path(path).expanduser()
    places = (written, data_root / written)
    return next((place for place in places if parted(place)[0].exists()), None)


def paths_of(dataset: Dataset) -> dict[str, str]:
    """The paths of a config by set; {"total": path} when there is one for all."""
    given = dataset.path
    if given.total is not None:
        return {TOTAL: given.total}
    three = (given.train, given.validation, given.test)
    return {name: path for name, path in zip(SETS, three, strict=True) if path is not None}


def sources(dataset: Dataset, data_root: Path) -> dict[str, Path] | None:
    """The raw data of each set, or None when some of it is not there."""
    found = {name: locate(path, data_root) for name, path in paths_of(dataset).items()}
    complete = {name: path for name, path in found.items() if path is not None}
    return complete if len(complete) == len(found) else None


def provide(dataset: Dataset, data_root: Path, progress: Progress = silent) -> dict[str, Path]:
    """The raw data of each set; made first when it is missing and the catalog can make it.

    Raises:
        DataError: if it is missing and cannot be made; names the path and where it was looked for.
    """
    found = sources(dataset, data_root)
    if found is None and dataset.name in CATALOG and CATALOG[dataset.name].make is not None:
        CATALOG[dataset.name].provide(data_root, progress)
        found = sources(dataset, data_root)
    if found is None:
        path = next(path for path in paths_of(dataset).values() if not locate(path, data_root))
        raise DataError(
            f"Dataset.path: expected raw data at {path}, got nothing there, neither from "
            f"{Path.cwd()} nor from {data_root.absolute()}. Hint: check the path, give --data, "
            "or see 'hydria data list'"
        )
    return found


def lattice_of(
    dataset: Dataset, data_root: Path
) -> tuple[tuple[float, float, float], ...] | Path | None:
    """The lattice of a config, a file name resolved like the path of raw data.

    Raises:
        DataError: if the file is missing.
    """
    if not isinstance(dataset.lattice, str):
        return dataset.lattice
    found = locate(dataset.lattice, data_root)
    if found is None:
        raise DataError(
            f"Dataset.lattice: expected a CSV file (file, nine numbers, pbc), got nothing at "
            f"{dataset.lattice}, neither from {Path.cwd()} nor from {data_root.absolute()}"
        )
    return found


def fingerprint(places: Mapping[str, Path]) -> str:
    """A short text that changes when a file of the raw data is added, removed or rewritten."""
    digest = hashlib.sha256()
    for name, address in sorted(places.items()):
        place, _ = parted(address)
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            stat = file.stat()
            digest.update(f"{name} {file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
