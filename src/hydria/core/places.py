"""Where data and runs lie when nobody says otherwise, for the command line and for scripts."""

from __future__ import annotations

import os
from pathlib import Path

RUNS = Path("runs")


def data_root(given: str | Path | None) -> Path:
    """The folder of raw data and stores: as given, else $HYDRIA_DATA, else ./data."""
    return Path(given or os.environ.get("HYDRIA_DATA") or "data")


def run_folder(name: str, given: str | Path | None) -> Path:
    """The run folder of a config: as given, else `runs/<config>`."""
    return Path(given) if given else RUNS / name
