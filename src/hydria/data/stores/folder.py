"""A store as a folder: one memory-mapped ``.npy`` file per column, and an index.

Every process of a node that opens it shares one copy in memory, the page cache.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hydria.core.errors import DataError
from hydria.core.files import folder_atomically
from hydria.data.progress import Progress, silent
from hydria.data.store import GraphStore
from hydria.data.stores.columns import (
    AGAIN,
    POINTERS,
    Column,
    ColumnsBuilder,
    Key,
    Manifest,
    Writer,
    columns_of,
    is_there,
    read_index,
    verify_column,
    write_index,
)

Array = NDArray[Any]
INDEX = "manifest.json"


class FolderWriter(Writer):
    """Writes a folder, piece by piece.

    Args:
        folder: the new folder.
        replace: exchange a store that is there, when all is written.

    Raises:
        DataError: on entering, if the folder is there and is not to be replaced.
    """

    def __init__(self, folder: Path, replace: bool = False) -> None:
        self._folder, self._replace = folder, replace
        self._builder = ColumnsBuilder(str(folder))
        self._files: dict[Key, BinaryIO] = {}
        self._stack = ExitStack()

    def __enter__(self) -> FolderWriter:
        try:
            self._temporary = self._stack.enter_context(
                folder_atomically(self._folder, self._replace)
            )
        except FileExistsError as err:
            raise is_there(self._folder) from err
        return self

    def append(self, piece: GraphStore) -> None:
        """As `Writer.append`."""
        for key, array in self._builder.add(piece).items():
            if key not in self._files:
                self._files[key] = (self._temporary / _file_name(key)).open("wb")
                _write_header(self._files[key], self._builder.columns[key], 0)
            self._files[key].write(array.data if array.size else b"")

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self._finish()
        except BaseException as failure:
            self._close()
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._close()
        try:
            self._stack.__exit__(kind, error, trace)
        except FileExistsError as err:
            raise is_there(self._folder) from err

    def _finish(self) -> None:
        manifest = self._builder.manifest()
        for key, stream in self._files.items():
            column = self._builder.columns[key]
            stream.seek(0)
            _write_header(stream, column, column.rows)
        write_index(self._temporary / INDEX, manifest)

    def _close(self) -> None:
        for stream in self._files.values():
            stream.close()


def _file_name(key: Key) -> str:
    kind, name = key
    return f"{kind}.{quote(name, safe='')}.npy"


def _write_header(stream: BinaryIO, column: Column, rows: int) -> None:
    """The header of a ``.npy`` file; NumPy pads it, so that it can be written again in place."""
    header = {"descr": column.dtype, "fortran_order": False, "shape": (rows, *column.tail)}
    npy.write_array_header_1_0(stream, header)


def open_folder(folder: Path, mmap: bool = True) -> GraphStore:
    """Open a folder that `FolderWriter` wrote.

    Args:
        mmap: map the columns (nothing is read until it is used) instead of loading them.

    Raises:
        DataError: if it is missing, foreign, damaged or of another schema version.
    """
    while True:
        before = _identity(folder)
        try:
            index = read_index(folder / INDEX, folder)
            columns = columns_of(index, folder)
            arrays = _open_columns(folder, columns, mmap)
            return GraphStore.from_arrays(arrays, index["attrs"])
        except DataError as err:
            if _identity(folder) == before:
                raise DataError(f"{folder}: {err}" if str(folder) not in str(err) else err) from err
            # it was replaced meanwhile: what was read is a mixture of two


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _open_columns(folder: Path, columns: Manifest, mmap: bool) -> dict[Key, Array]:
    arrays = {key: _open_column(folder, key, column, mmap) for key, column in columns.items()}
    for key in POINTERS:
        if key in arrays:
            verify_column(str(folder / _file_name(key)), columns[key], arrays[key], key[1])
    return arrays


def _open_column(folder: Path, key: Key, column: Column, mmap: bool) -> Array:
    path = folder / _file_name(key)
    # an empty file region cannot be mapped
    mode: Literal["r"] | None = "r" if mmap and 0 not in column.shape else None
    try:
        array: Array = np.load(path, mmap_mode=mode, allow_pickle=False)
    except PermissionError as err:
        raise DataError(f"{path}: expected a column that may be read: permission denied") from err
    except (OSError, ValueError, EOFError) as err:
        raise DataError(f"{path}: expected a column of this store: {err}. {AGAIN}") from err
    if (array.dtype.str, array.shape) != (column.dtype, column.shape):
        raise DataError(
            f"{path}: expected {column.dtype} {list(column.shape)}, "
            f"got {array.dtype.str} {list(array.shape)}. {AGAIN}"
        )
    return array


def verify_folder(folder: Path, progress: Progress = silent) -> None:
    """Read every block of a store and compare it with its checksum.

    Raises:
        DataError: if one differs; names the file and the rows.
    """
    columns = columns_of(read_index(folder / INDEX, folder), folder)
    for done, (key, column) in enumerate(columns.items()):
        progress("checksums", done, len(columns))
        array = _open_column(folder, key, column, mmap=True)
        verify_column(str(folder / _file_name(key)), column, array, key[1])
    progress("checksums", len(columns), len(columns))
