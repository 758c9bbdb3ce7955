"""Where a script's data and runs lie, the same as for the command line."""

from __future__ import annotations

import os
from pathlib import Path

from hydria.config import LoadedConfig


def data_root(given: str | Path | None) -> Path:
    """The folder of raw data and stores: as given, else $HYDRIA_DATA, else ./data."""
    return Path(given or os.environ.get("HYDRIA_DATA") or "data")


def run_folder(loaded: LoadedConfig, given: str | Path | None) -> Path:
    """The run folder: as given, else `runs/<config>`."""
    return Path(given) if given else Path("runs") / loaded.name
