"""Checkpoints: folders that appear whole or not at all, and are believed only when checked.

``checkpoints/step-00000420/`` holds ``state.pt`` and ``manifest.json`` with its size and
SHA-256. A folder is written under a temporary name, read back, and renamed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hydria.core.errors import CheckpointError
from hydria.core.files import sha256_file

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
FOLDER = "checkpoints"
STATE = "state.pt"
MANIFEST = "manifest.json"
PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk whose manifest could be read.

    Attributes:
        path: its folder.
        manifest: step, epoch, `best`, `val_loss`, versions, and size and SHA-256 of each file.
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def step(self) -> int:
        return int(self.manifest["step"])

    @property
    def is_best(self) -> bool:
        return bool(self.manifest.get("best"))


class _HashingWriter:
    """Passes bytes on to a file and digests them on the way."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        written: int = self.stream.write(data)
        return written

    def flush(self) -> None:
        self.stream.flush()


def save(run_dir: Path, step: int, state: Mapping[str, Any], facts: Mapping[str, Any]) -> Path:
    """Write a checkpoint; those before it stay untouched.

    Args:
        run_dir: the run folder.
        step: optimiser steps done; it names the folder.
        state: what `torch.save` writes; only tensors, numbers, text, lists and dictionaries,
            so that it can be read with ``weights_only=True``.
        facts: what else the manifest says (epoch, best, val_loss, versions).

    Raises:
        CheckpointError: when it could not be written (full disk, quota, rights), or read back
            differs from what was written. Nothing half written is left.
    """
    final = run_dir / FOLDER / f"{PREFIX}{step:08d}"
    temporary = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        entry = _write_state(temporary / STATE, state)
        manifest = {"schema": SCHEMA_VERSION, "step": step, **facts, "files": {STATE: entry}}
        _write_synced(temporary / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
        _check_files(Checkpoint(temporary, manifest))
        _replace(temporary, final)
    except (OSError, RuntimeError) as err:
        raise CheckpointError(
            f"{final}: could not be written: {_cause(err)}. Hint: is the disk or the quota full? "
            f"{_what_is_left(run_dir)}"
        ) from err
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def _write_state(path: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    with path.open("wb") as stream:
        writer = _HashingWriter(stream)
        torch.save(dict(state), writer)  # type: ignore[arg-type]
        stream.flush()
        os.fsync(stream.fileno())
    return {"bytes": writer.bytes, "sha256": writer.digest.hexdigest()}


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _replace(temporary: Path, final: Path) -> None:
    aside = temporary.with_name(f"{temporary.name}.old")
    if final.exists():  # a damaged one, or the same step trained again after going back
        final.rename(aside)
    temporary.rename(final)
    shutil.rmtree(aside, ignore_errors=True)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cause(err: BaseException) -> str:
    """The operating system's own words, which torch wraps in an error of its own."""
    while err.__context__ is not None and not isinstance(err, OSError):
        err = err.__context__
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(err).splitlines()[0] if str(err) else type(err).__name__


def _what_is_left(run_dir: Path) -> str:
    left = next(newest_first(run_dir), None)
    return f"The checkpoint before it ({left.path.name}) stays usable" if left else "None is left"


def newest_first(run_dir: Path) -> Iterator[Checkpoint]:
    """Checkpoints with a readable manifest, the newest first; their files are not checked."""
    for path in sorted((run_dir / FOLDER).glob(f"{PREFIX}*"), reverse=True):
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            yield Checkpoint(path, {**manifest, "step": int(manifest["step"])})
        except (OSError, ValueError, KeyError, TypeError) as err:
            log.warning("%s: damaged checkpoint passed over: %s", path, _cause(err))


def verify(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError unless every file has the size and the SHA-256 of the manifest."""
    try:
        _check_files(checkpoint)
    except (OSError, RuntimeError, KeyError, TypeError) as err:
        raise CheckpointError(f"{checkpoint.path}: damaged checkpoint: {_cause(err)}") from err


def _check_files(checkpoint: Checkpoint) -> None:
    for name, entry in checkpoint.manifest["files"].items():
        path = checkpoint.path / name
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise RuntimeError(f"{name}: expected {entry['bytes']} bytes, got {size}")
        if sha256_file(path) != entry["sha256"]:
            raise RuntimeError(f"{name}: its SHA-256 is not that of the manifest")


def newest(run_dir: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; damaged ones are warned about. None without any."""
    return _first_whole(newest_first(run_dir))


def best(run_dir: Path) -> Checkpoint | None:
    """The checkpoint with the best validation loss that is whole, else the newest whole one."""
    marked = (found for found in newest_first(run_dir) if found.is_best)
    return _first_whole(marked) or newest(run_dir)


def _first_whole(candidates: Iterator[Checkpoint]) -> Checkpoint | None:
    for candidate in candidates:
        try:
            verify(candidate)
        except CheckpointError as err:
            log.warning("%s; the one before it is used", err)
        else:
            return candidate
    return None


def load(checkpoint: Checkpoint, map_location: str | torch.device = "cpu") -> dict[str, Any]:
    """The state in a checkpoint.

    Raises:
        CheckpointError: when it cannot be read, or was written by a newer version.
    """
    if checkpoint.manifest.get("schema") != SCHEMA_VERSION:
        raise CheckpointError(
            f"{checkpoint.path}: expected schema {SCHEMA_VERSION}, got "
            f"{checkpoint.manifest.get('schema')}. Hint: it was written by another version"
        )
    try:
        state: dict[str, Any] = torch.load(
            checkpoint.path / STATE, map_location=map_location, weights_only=True
        )
    except Exception as err:  # unpickling raises whatever the bytes make it
        raise CheckpointError(f"{checkpoint.path}: cannot be read: {_cause(err)}") from err
    return state


def prune(run_dir: Path, keep: int) -> None:
    """Delete all but the `keep` newest checkpoints and the newest best one.

    What a killed run left half written goes too; so only the writer of `run_dir` may call it.
    """
    for unfinished in (run_dir / FOLDER).glob(f".{PREFIX}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    found = list(newest_first(run_dir))
    marked = [checkpoint.path for checkpoint in found if checkpoint.is_best]
    kept = {checkpoint.path for checkpoint in found[:keep]} | set(marked[:1])
    for checkpoint in found:
        if checkpoint.path not in kept:
            shutil.rmtree(checkpoint.path, ignore_errors=True)
