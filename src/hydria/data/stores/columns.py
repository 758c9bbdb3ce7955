"""What the stores that keep columns in files have in common: the manifest and its checksums."""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydria.core.errors import DataError
from hydria.data.store import SCHEMA_VERSION, GraphStore

Array = NDArray[Any]
Key = tuple[str, str]  # kind, name
FORMAT = "hydria-graph-store"
POINTERS = (("ptr", "node_ptr"), ("ptr", "edge_ptr"))
AGAIN = "Hint: remove it and prepare or convert the data again"


@dataclass
class Column:
    """One array of a store, as its manifest describes it.

    Attributes:
        dtype: as NumPy writes it.
        tail: its shape without the first dimension.
        blocks: rows and CRC-32 of each block, in order.
    """

    dtype: str
    tail: tuple[int, ...]
    blocks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of all blocks."""
        return sum(rows for rows, _ in self.blocks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return (self.rows, *self.tail)


Manifest = dict[Key, Column]


class Writer(ABC):
    """Takes a store piece by piece; what it writes appears whole when the block ends, or not."""

    @abstractmethod
    def append(self, piece: GraphStore) -> None:
        """Add the graphs of `piece` behind those before.

        Raises:
            DataError: if its fields differ from those of the pieces before.
        """

    def __enter__(self) -> Writer:
        return self

    @abstractmethod
    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Commit, or leave nothing behind when an error passes through."""


class ColumnsBuilder:
    """Counts the rows and checksums of what is written column by column."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.columns: Manifest = {}
        self.attrs: dict[str, Any] = {}
        self._begun = False
        self._last: dict[Key, Any] = {}

    def add(self, piece: GraphStore) -> Mapping[Key, Array]:
        """The arrays to write behind those of the pieces before.

        Raises:
            DataError: if the fields of `piece` differ from those before, or cannot be written.
        """
        arrays = {key: np.ascontiguousarray(value) for key, value in piece.arrays().items()}
        if not self._begun:
            self.attrs = piece.attrs
            as_json(self.attrs)
            for key, array in arrays.items():
                if array.dtype.hasobject:
                    raise DataError(f"{self.where}: {key[1]}: expected numbers, got objects")
                self.columns[key] = Column(array.dtype.str, array.shape[1:])
        else:
            self._compare(arrays)
            for key in POINTERS:  # offsets go on where they stopped
                arrays[key] = arrays[key][1:] + self._last[key]
        self._begun = True
        self._last |= {key: arrays[key][-1] for key in POINTERS if len(arrays[key])}
        for key, array in arrays.items():
            if len(array) or not self.columns[key].blocks:
                self.columns[key].blocks.append((len(array), checksum(array)))
        return arrays

    def _compare(self, arrays: Mapping[Key, Array]) -> None:
        if arrays.keys() != self.columns.keys():
            different = sorted(name for _, name in arrays.keys() ^ self.columns.keys())
            raise DataError(f"{self.where}: expected the same fields throughout, not {different}")
        for key, array in arrays.items():
            column = self.columns[key]
            if (array.dtype.str, array.shape[1:]) != (column.dtype, column.tail):
                raise DataError(
                    f"{self.where}: field {key[1]!r}: expected {column.dtype} (*, "
                    f"{', '.join(map(str, column.tail))}) as before, got {array.dtype.str} "
                    f"{array.shape}"
                )

    def manifest(self) -> dict[str, Any]:
        """The JSON that describes what was written.

        Raises:
            DataError: if nothing was.
        """
        if not self._begun:
            raise DataError(f"{self.where}: expected at least one graph, got none")
        columns = [
            {"kind": kind, "name": name, "dtype": column.dtype, "tail": list(column.tail),
             "blocks": column.blocks}
            for (kind, name), column in self.columns.items()
        ]  # fmt: skip
        return {"schema_version": SCHEMA_VERSION, "attrs": self.attrs, "columns": columns}


def as_json(value: Any) -> str:
    """`value` as JSON.

    Raises:
        DataError: if JSON cannot hold it.
    """
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as err:
        raise DataError(f"GraphStore attrs: expected values that JSON can hold: {err}") from err


def checksum(array: Array) -> int:
    """CRC-32 of the bytes of a contiguous array."""
    return zlib.crc32(array.view(np.uint8).data if array.size and array.ndim else b"")


def write_index(path: Path, content: dict[str, Any]) -> None:
    """Write the index of a store, with a checksum of its own."""
    text = as_json({"format": FORMAT, **content})
    path.write_text(json.dumps({"crc32": zlib.crc32(text.encode()), "index": text}), "utf-8")


def read_index(path: Path, place: Path) -> dict[str, Any]:
    """Read what `write_index` wrote.

    Raises:
        DataError: if it is missing, foreign or damaged; names `place`, the store.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as err:
        state = f"a folder without {path.name}" if place.is_dir() else "nothing there"
        raise DataError(f"{place}: expected a store, got {state}") from err
    except PermissionError as err:
        raise DataError(f"{path}: expected a store that may be read: permission denied") from err
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: expected the JSON index of a store: {err}. {AGAIN}") from err
    if isinstance(content, dict) and content.get("format") == FORMAT:
        raise_other_version(place, content.get("schema_version"))
    if not isinstance(content, dict) or not isinstance(content.get("index"), str):
        raise DataError(f"{path}: expected format {FORMAT!r}, got another file of that name")
    if zlib.crc32(content["index"].encode()) != content.get("crc32"):
        raise DataError(f"{path}: expected an index as it was written; it was changed. {AGAIN}")
    index: dict[str, Any] = json.loads(content["index"])
    if index.get("format") != FORMAT:
        raise DataError(f"{path}: expected format {FORMAT!r}, got another file of that name")
    return index


def raise_other_version(place: Path, found: Any) -> None:
    """Say that a store is of another schema version."""
    raise DataError(
        f"{place}: expected a store of schema version {SCHEMA_VERSION}, got {found}. "
        "Hint: prepare or convert the data again"
    )


def is_there(folder: Path) -> DataError:
    """What is said when a store must not be replaced."""
    return DataError(
        f"{folder}: expected no store there yet. Hint: remove it first, or have it replaced "
        "(hydria data convert: --force)"
    )


def columns_of(manifest: Mapping[str, Any], place: Path) -> Manifest:
    """The columns that a manifest describes.

    Raises:
        DataError: if it is of another schema version, or incomplete.
    """
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise_other_version(place, manifest.get("schema_version"))
    try:
        return {
            (column["kind"], column["name"]): Column(
                column["dtype"], tuple(column["tail"]), [(rows, crc) for rows, crc in
                                                         column["blocks"]]
            )
            for column in manifest["columns"]
        }  # fmt: skip
    except (KeyError, TypeError, ValueError) as err:
        raise DataError(f"{place}: expected a complete index: {err!r}") from err


def verify_column(place: str, column: Column, array: Array, name: str) -> None:
    """Compare the blocks of a column with their checksums.

    Raises:
        DataError: if one differs; names its rows.
    """
    first = 0
    for rows, expected in column.blocks:
        block = np.ascontiguousarray(array[first : first + rows])
        if checksum(block) != expected:
            raise DataError(
                f"{place}: {name}: expected rows {first} to {first + rows - 1} as they were "
                f"written; their checksum differs, so the file was damaged. {AGAIN}"
            )
        first += rows
