"""A store as an ADIOS2 BP5 file: one global array per column, one store per label.

Beside the arrays ADIOS2 keeps, the folder holds an index with the checksums of every block and of
ADIOS2's own metadata, which is compared before ADIOS2 reads it.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError
from hydria.core.files import folder_atomically
from hydria.data.progress import Progress, silent
from hydria.data.store import GraphStore, Store
from hydria.data.stores.columns import (
    AGAIN,
    POINTERS,
    Column,
    ColumnsBuilder,
    Key,
    Writer,
    columns_of,
    is_there,
    read_index,
    verify_column,
    write_index,
)

Array = NDArray[Any]
INDEX = "hydria.json"
LABEL = "graphs"
# types of NumPy that ADIOS2 lacks, and what they are written as
AS_BYTES = {"|b1": "|u1", "<f2": "<u2"}


class BpWriter:
    """Writes a BP5 file with one store per label, each in pieces, one label after the other.

    Args:
        path: the new file (a folder, as ADIOS2 writes them).
        replace: exchange one that is there, when all is written.

    Raises:
        DataError: on entering, if it is there and is not to be replaced.
    """

    def __init__(self, path: Path, replace: bool = False) -> None:
        self._path, self._replace = path, replace
        self._builders: dict[str, ColumnsBuilder] = {}
        self._variables: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> BpWriter:
        import adios2.bindings as adios2

        try:
            self._temporary = self._stack.enter_context(
                folder_atomically(self._path, self._replace)
            )
        except FileExistsError as err:
            raise is_there(self._path) from err
        self._adios = adios2.ADIOS()
        self._io = self._adios.DeclareIO("writer")
        self._io.SetEngine("BP5")
        self._io.SetParameters({"Profile": "Off", "StatsLevel": "0"})
        self._engine = self._io.Open(str(self._temporary), adios2.Mode.Write)
        self._engine.BeginStep()
        return self

    def append(self, label: str, piece: GraphStore) -> None:
        """Add the graphs of `piece` behind those of the same label.

        Raises:
            DataError: if its fields differ from those before.
        """
        import adios2.bindings as adios2

        builder = self._builders.setdefault(label, ColumnsBuilder(f"{self._path}#{label}"))
        for key, array in builder.add(piece).items():
            column = builder.columns[key]
            if not array.size:
                continue
            stored = array.view(AS_BYTES.get(column.dtype, column.dtype))
            stored = np.require(stored, requirements="W")  # ADIOS2 takes no mapped arrays
            first = column.rows - len(array)
            where = [first] + [0] * (array.ndim - 1)
            name = _variable_name(label, key)
            if name not in self._variables:
                self._variables[name] = self._io.DefineVariable(
                    name, stored, list(column.shape), where, list(array.shape), False
                )
            else:
                self._variables[name].SetShape(list(column.shape))
                self._variables[name].SetSelection([where, list(array.shape)])
            self._engine.Put(self._variables[name], stored, adios2.Mode.Sync)
        self._engine.PerformDataWrite()

    def attribute(self, name: str, value: Any) -> None:
        """Add a global attribute: a text, a number or an array of numbers."""
        if isinstance(value, str):
            self._io.DefineAttribute(name, value)
        else:
            self._io.DefineAttribute(name, np.atleast_1d(np.asarray(value)).ravel())

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            manifests = {}
            if error is None:
                if not self._builders:
                    raise DataError(f"{self._path}: expected at least one graph, got none")
                manifests = {label: one.manifest() for label, one in self._builders.items()}
            self._engine.EndStep()
            self._engine.Close()
            if error is None:
                files = {path.name: _facts(path) for path in sorted(self._temporary.iterdir())}
                write_index(self._temporary / INDEX, {"labels": manifests, "files": files})
        except BaseException as failure:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        try:
            self._stack.__exit__(kind, error, trace)
        except FileExistsError as err:
            raise is_there(self._path) from err


class AdiosWriter(Writer):
    """Writes one store as a BP5 file with one label."""

    def __init__(self, path: Path, label: str | None = None, replace: bool = False) -> None:
        self._bp, self._label = BpWriter(path, replace), label or LABEL

    def __enter__(self) -> AdiosWriter:
        self._bp.__enter__()
        return self

    def append(self, piece: GraphStore) -> None:
        """As `Writer.append`."""
        self._bp.append(self._label, piece)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._bp.__exit__(kind, error, trace)


def _variable_name(label: str, key: Key) -> str:
    return f"{label}/{key[0]}/{key[1]}"


def _facts(path: Path) -> list[int | None]:
    """Size, and CRC-32 of what ADIOS2 reads on opening (the blocks have checksums of their own)."""
    is_data = path.name.startswith("data.")
    return [path.stat().st_size, None if is_data else zlib.crc32(path.read_bytes())]


def _checked_index(path: Path) -> dict[str, Any]:
    index = read_index(path / INDEX, path)
    for name, facts in index["files"].items():
        try:
            found = _facts(path / name)
        except OSError as err:
            raise DataError(f"{path / name}: expected a part of this store: {err}") from err
        if found != facts:
            raise DataError(
                f"{path / name}: expected {facts[0]} bytes as they were written, got {found[0]} "
                f"bytes or others: the file was cut or changed. {AGAIN}"
            )
    return index


class AdiosStore(Store):
    """Graphs that stay on the disk; what is asked for is read, each graph's part of each column.

    Columns of graphs (not of nodes or edges) are read whole when they are first needed.

    Raises:
        DataError: if the file is missing, damaged, foreign, of another version or lacks the label.
    """

    def __init__(self, path: Path, label: str | None = None) -> None:
        self._path = path
        labels = _checked_index(path)["labels"]
        self._label = chosen_label(path, label, list(labels))
        self._columns = columns_of(labels[self._label], path)
        self.attrs = labels[self._label]["attrs"]
        self._file = _BpFile(path)
        self._whole: dict[Key, Array] = {}
        for key in POINTERS:
            verify_column(str(path), self._columns[key], self._read_whole(key), key[1])
        self.node_ptr, self.edge_ptr = (self._whole[key] for key in POINTERS)

    def __reduce__(self) -> tuple[Any, ...]:
        return AdiosStore, (self._path, self._label)

    def _read_whole(self, key: Key) -> Array:
        if key not in self._whole:
            column = self._columns[key]
            self._whole[key] = self._read(key, [(0, column.rows)])
        return self._whole[key]

    def _read(self, key: Key, runs: list[tuple[int, int]]) -> Array:
        """The rows of a column in `runs` of (first, end)."""
        return self._read_columns([key], {key: runs})[key]

    def _read_columns(
        self, keys: list[Key], runs: Mapping[Key, list[tuple[int, int]]]
    ) -> dict[Key, Array]:
        found, wanted = {}, []
        for key in keys:
            column = self._columns[key]
            rows = sum(end - first for first, end in runs[key])
            stored = np.empty((rows, *column.tail), AS_BYTES.get(column.dtype, column.dtype))
            if stored.size:
                wanted.append((_variable_name(self._label, key), stored, runs[key]))
            found[key] = stored.view(column.dtype)
        self._file.read(wanted)
        return found

    def subset(self, ids: ArrayLike) -> GraphStore:
        """As `Store.subset`."""
        ids = self._ids(ids)
        first, end = _runs(ids)
        pointers = {"node": self.node_ptr, "edge": self.edge_ptr}
        for kind, name in self._columns:
            if kind == "values":
                shapes = self._read_whole(("shapes", name))
                pointers[name] = np.r_[0, np.cumsum(shapes.prod(axis=1))]
        keys, runs, arrays = [], {}, {}
        for key in self._columns:
            kind, name = key
            if kind in ("graph", "shapes"):
                arrays[key] = self._read_whole(key).take(ids, axis=0)
            elif kind != "ptr":
                ptr = pointers[name if kind == "values" else kind]
                keys.append(key)
                runs[key] = list(zip(ptr[first].tolist(), ptr[end].tolist(), strict=True))
        arrays |= self._read_columns(keys, runs)
        for key, counts in zip(POINTERS, self.sizes(ids), strict=True):
            arrays[key] = np.r_[0, np.cumsum(counts)]
        return GraphStore.from_arrays(arrays, self.attrs)

    def preloaded(self) -> GraphStore:
        """The whole store in memory."""
        return GraphStore.from_arrays(
            {key: self._read_whole(key) for key in self._columns}, self.attrs
        )

    def verify(self, progress: Progress = silent) -> None:
        """Read every block and compare it with its checksum.

        Raises:
            DataError: if one differs; names the column and the rows.
        """
        for done, (key, column) in enumerate(self._columns.items()):
            progress("checksums", done, len(self._columns))
            first = 0
            for rows, crc in column.blocks:
                block = self._read(key, [(first, first + rows)])
                part = Column(column.dtype, column.tail, [(rows, crc)])
                verify_column(f"{self._path} (rows from {first})", part, block, key[1])
                first += rows
        progress("checksums", len(self._columns), len(self._columns))


def _runs(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and end of each run of consecutive ids."""
    if not len(ids):
        return ids, ids
    breaks = np.flatnonzero(np.diff(ids) != 1) + 1
    return ids[np.r_[0, breaks]], ids[np.r_[breaks, len(ids)] - 1] + 1


def chosen_label(path: Path, label: str | None, labels: list[str]) -> str:
    """The label that is asked for, or the only one.

    Raises:
        DataError: if there is none of that name, or several.
    """
    if label is None and len(labels) == 1:
        return labels[0]
    if label not in labels:
        got = "none" if label is None else repr(label)
        raise DataError(
            f"{path}: expected one of the labels {', '.join(sorted(labels))}, got {got}. "
            f"Hint: write {path}#LABEL"
        )
    return label


class _BpFile:
    """An open BP file, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        import adios2.bindings as adios2

        self._path, self._lock = path, threading.Lock()
        self._adios = adios2.ADIOS()
        self._io = self._adios.DeclareIO("reader")
        self._io.SetEngine("BP5")
        self._io.SetParameters({"Profile": "Off", "Threads": "1"})
        try:
            self._engine = self._io.Open(str(path), adios2.Mode.ReadRandomAccess)
        except (RuntimeError, ValueError, OSError) as err:
            raise DataError(f"{path}: expected a BP file that ADIOS2 can read: {err}") from err
        self._variables: dict[str, Any] = {}

    def read(self, wanted: list[tuple[str, Array, list[tuple[int, int]]]]) -> None:
        """Fill arrays with the rows (first, end) of variables, one run after the other."""
        import adios2.bindings as adios2

        with self._lock:
            try:
                for name, out, runs in wanted:
                    variable, at = self._variable(name), 0
                    zeros, tail = [0] * (out.ndim - 1), list(out.shape[1:])
                    for first, end in runs:
                        rows = end - first
                        if not rows:
                            continue
                        variable.SetSelection([[first, *zeros], [rows, *tail]])
                        self._engine.Get(variable, out[at : at + rows], adios2.Mode.Deferred)
                        at += rows
                self._engine.PerformGets()
            except (RuntimeError, ValueError, OSError) as err:
                raise DataError(f"{self._path}: expected data that can be read: {err}") from err

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            variable = self._io.InquireVariable(name)
            if variable is None:
                raise DataError(f"{self._path}: expected a variable {name!r}, got none")
            self._variables[name] = variable
        return self._variables[name]
