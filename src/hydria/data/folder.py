"""A store on disk: a folder with one ``.npy`` file per column and a manifest.

The folder is written under a temporary name and renamed, so it is there whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from hydria.core.errors import DataError

Array = NDArray[Any]
Key = tuple[str, str]  # kind, name

MANIFEST = "manifest.json"
FORMAT = "hydria-graph-store"


def write(folder: Path, arrays: Mapping[Key, Array], attrs: Mapping[str, Any]) -> Path:
    """Write `arrays` and `attrs` as the new folder `folder`.

    Raises:
        DataError: if `folder` exists, or `attrs` cannot be written as JSON.
    """
    if folder.exists():
        raise DataError(f"{folder}: expected no store there yet. Hint: remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        columns = [_write_column(temporary, key, array) for key, array in arrays.items()]
        manifest = {"format": FORMAT, **_plain(attrs), "columns": columns}
        _write_synced(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())
        _open_to_project(temporary)
        try:
            temporary.rename(folder)
        except OSError as err:
            if not folder.exists():
                raise
            raise DataError(f"{folder}: somebody else wrote this store meanwhile") from err
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(attrs)
    except TypeError as err:
        raise DataError(f"GraphStore attrs: expected values that JSON can hold: {err}") from err
    return {"schema_version": attrs.get("schema_version"), "attrs": dict(attrs)}


def _write_column(folder: Path, key: Key, array: Array) -> dict[str, Any]:
    kind, name = key
    path = folder / f"{kind}.{quote(name, safe='')}.npy"
    with path.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    return {
        "kind": kind,
        "name": name,
        "file": path.name,
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "bytes": path.stat().st_size,
    }


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _open_to_project(folder: Path) -> None:
    """mkdtemp makes private folders; a store is read by the whole project."""
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)


def read(
    folder: Path, *, mmap: bool, schema_version: int
) -> tuple[dict[Key, Array], dict[str, Any]]:
    """The arrays (read-only when mapped) and attributes of a store.

    Raises:
        DataError: if the folder is missing, foreign, damaged or of another schema version.
    """
    manifest = _read_manifest(folder)
    found = manifest.get("schema_version")
    if found != schema_version:
        raise DataError(
            f"{folder}: expected a store of schema version {schema_version}, got {found}. "
            "Hint: prepare the data again"
        )
    try:
        arrays = {
            (column["kind"], column["name"]): _read_column(folder, column, mmap)
            for column in manifest["columns"]
        }
        return arrays, dict(manifest["attrs"])
    except (KeyError, TypeError) as err:
        raise DataError(f"{folder / MANIFEST}: expected a complete manifest: {err!r}") from err


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as err:
        state = "a folder without one" if folder.is_dir() else "nothing there"
        raise DataError(f"{folder}: expected a store with a {MANIFEST}, got {state}") from err
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: expected the JSON manifest of a store: {err}") from err
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: expected format {FORMAT!r}, got another file of that name")
    return manifest


def _read_column(folder: Path, column: Mapping[str, Any], mmap: bool) -> Array:
    path = folder / column["file"]
    try:
        size = path.stat().st_size
        if size != column["bytes"]:
            raise DataError(
                f"{path}: expected {column['bytes']} bytes, got {size}: the file was cut or "
                "changed. Hint: remove the folder and prepare the data again"
            )
        # an empty file region cannot be mapped
        mode: Literal["r"] | None = "r" if mmap and 0 not in column["shape"] else None
        array: Array = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as err:
        raise DataError(f"{path}: expected a column of this store: {err}") from err
    if (array.dtype.str, list(array.shape)) != (column["dtype"], column["shape"]):
        raise DataError(
            f"{path}: expected {column['dtype']} {column['shape']}, "
            f"got {array.dtype.str} {list(array.shape)}"
        )
    return array
