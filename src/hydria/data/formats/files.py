"""Which files of a raw folder are data."""

from __future__ import annotations

import importlib
import lzma
import os
from pathlib import Path

from hydria.core.errors import DataError

# suffix → the standard module that unpacks such files
PACKED = {".xz": "lzma", ".gz": "gzip", ".bz2": "bz2"}


def raw_files(path: Path, suffix: str | tuple[str, ...] | None = None) -> list[Path]:
    """The data files under `path`, sorted: itself, or those in it and one level down.

    Hidden files (`.DS_Store` and the like) are skipped, and with `suffix` all files that do not
    end in it, or in one of several.

    Raises:
        DataError: if `path` does not exist or holds no such file.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(
            f"{path}: expected a file or folder with raw data, got nothing there. "
            "Hint: check Dataset.path, or 'hydria data list' for data sets that can be made"
        )
    files = sorted(name for name in _names(path) if suffix is None or name.endswith(suffix))
    if not files:
        ends = (suffix,) if isinstance(suffix, str) else suffix
        kind = f"files ending in {' or '.join(ends)}" if ends else "data files"
        raise DataError(f"{path}: expected {kind}, got none (hidden files are skipped)")
    root = str(path)
    return [Path(f"{root}/{name}") for name in files]


def name_below(path: Path, file: Path) -> str:
    """How `file` is called in messages: its place below `path`, or its name."""
    return file.name if file == path else file.relative_to(path).as_posix()


def _names(folder: Path) -> list[str]:
    names = []
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            below = (file for file in os.scandir(entry.path) if not file.name.startswith("."))
            names += [f"{entry.name}/{file.name}" for file in below if file.is_file()]
        else:
            names.append(entry.name)
    return names


def read_bytes(path: Path) -> bytes:
    """The content of `path`; a DataError that names it when it cannot be read or is empty."""
    try:
        with open(path, "rb", buffering=0) as stream:
            content = stream.read()
    except OSError as err:
        raise DataError(f"{path}: cannot be read: {err.strerror}") from err
    if not content or content.isspace():
        raise DataError(f"{path}: expected data, got an empty file")
    return content


def read_text(path: Path) -> str:
    """The text of `path`, unpacked where its name ends in .xz, .gz or .bz2.

    Raises:
        DataError: names the file that cannot be read, is empty, or is not what its name says.
    """
    content = read_bytes(path)
    packer = PACKED.get(path.suffix)
    try:
        if packer is not None:
            content = importlib.import_module(packer).decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError, lzma.LZMAError, ValueError) as err:
        raise DataError(
            f"{path}: expected text{f' in {path.suffix}' if packer else ''}, got {err}"
        ) from err
