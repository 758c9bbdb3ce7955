"""Files that appear whole or not at all."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside `path` that replaces it when the block succeeds.

    What stood under `path` stays as it was until then, also when the disk fills up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes private files; a run folder is read by the whole project
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_atomic(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the content of `path`."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def folder_atomically(folder: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that takes its name when the block succeeds.

    Until then, what stood there stays as it was. Every file is on the disk before the rename.

    Args:
        replace: exchange a folder that is there, instead of failing.

    Raises:
        FileExistsError: if `folder` is there, and is not to be replaced.
    """
    if folder.exists() and not replace:
        raise FileExistsError(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            _sync(path)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp makes private folders
        _take_name(temporary, folder, replace)
        _sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_name(temporary: Path, folder: Path, replace: bool) -> None:
    """Rename; a folder that was there goes."""
    try:
        temporary.rename(folder)
    except OSError as err:
        if not folder.exists():
            raise
        if not replace:  # somebody else was faster
            raise FileExistsError(folder) from err
        _exchange(temporary, folder)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two names: in one step where Linux and the file system can (renameat2).

    Elsewhere, such as on NFS, in three; in between, `other` is missing for a moment.
    """
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of <linux/fs.h>
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename and not rename(here, os.fsencode(one), here, os.fsencode(other), exchange):
        return
    aside = one.with_name(f"{one.name}.old")
    other.rename(aside)
    try:
        one.rename(other)
    except OSError:
        aside.rename(other)
        raise
    aside.rename(one)
