"""How stores are named: `PATH`, or `PATH#LABEL` where a path holds several."""

from __future__ import annotations

from pathlib import Path


def parted(address: Path | str) -> tuple[Path, str | None]:
    """Path and label of a store."""
    path, mark, label = str(address).rpartition("#")
    if not mark or Path(address).exists():
        return Path(address), None
    return Path(path), label
