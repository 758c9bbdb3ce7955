"""Where sites, templates, configs and bundled data lie: in a checkout or in the wheel."""

from __future__ import annotations

from pathlib import Path

from hydria.core.errors import HydriaError, listed

PACKAGE = Path(__file__).resolve().parents[1]
ROOT_KINDS = frozenset({"site", "jobs", "configs", "containers"})
KINDS = ROOT_KINDS | {"bundled"}


def asset_dir(kind: str) -> Path:
    """The folder of one kind of asset.

    An installed package carries the root folders under `bundled/`; a checkout has them at its
    root, where people edit them.
    """
    if kind not in KINDS:
        raise HydriaError(f"unknown asset kind {kind!r}; known: {listed(KINDS)}")
    if kind == "bundled":
        return PACKAGE / "bundled"
    installed = PACKAGE / "bundled" / kind
    return installed if installed.is_dir() else PACKAGE.parents[1] / kind
