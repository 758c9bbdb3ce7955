"""Samples in pickles: one file of all, or one file each, laid out as HydraGNN does.

One file holds, one after the other: minimum and maximum of the node features, the same of the
graph features, the list of samples, and (behind what HydraGNN reads) the facts about them with a
checksum. One file each: `LABEL-meta.pkl` with the bounds, the number of samples, whether they lie
in sub-folders, how many in each, and the facts; and `LABEL-K.pkl`, in sub-folders `K // how many`.
"""

from __future__ import annotations

import io
import os
import pickle
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from hydria.core.errors import DataError
from hydria.core.files import folder_atomically, replace_atomically
from hydria.data.progress import Progress, silent
from hydria.data.store import SCHEMA_VERSION, GraphStore
from hydria.data.stores.adios import chosen_label
from hydria.data.stores.columns import (
    AGAIN,
    FORMAT,
    Writer,
    as_json,
    is_there,
    raise_other_version,
)
from hydria.data.stores.samples import ListSource, SampleSource, SampleStore, facts_of
from hydria.data.unpickle import SampleUnpickler

if TYPE_CHECKING:
    from torch_geometric.data import Data

LABEL = "graphs"
PER_FOLDER = 10_000
META = "-meta.pkl"
BOUNDS = ("minmax_node_feature", "minmax_graph_feature")
# the newest that needs no frames, so that a list can be written sample by sample
PROTOCOL = 2


def _checked(place: Path, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise_other_version(place, facts.get("schema_version"))
    return facts


def _bounds(attrs: Mapping[str, Any]) -> list[Any]:
    given = (attrs.get(name) for name in BOUNDS)
    return [None if one is None else np.asarray(one, dtype=np.float64) for one in given]


def _attrs_of_bounds(bounds: Sequence[Any]) -> dict[str, Any]:
    pairs = zip(BOUNDS, bounds, strict=True)
    return {name: np.asarray(one).tolist() for name, one in pairs if one is not None}


class _Samples:
    """Samples of the pieces of a store as pickles, and the facts to write behind them."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._facts: dict[str, Any] = {}
        self.count = 0

    def of(self, piece: GraphStore) -> Iterator[bytes]:
        facts = facts_of(piece)
        as_json(facts["attrs"])
        if self._facts and facts["kinds"] != self._facts["kinds"]:
            different = sorted(facts["kinds"].keys() ^ self._facts["kinds"].keys())
            raise DataError(f"{self._where}: expected the same fields throughout, not {different}")
        self._facts = self._facts or facts
        for number in range(len(piece)):
            self.count += 1
            yield pickle.dumps(piece[number], PROTOCOL)

    def facts(self) -> dict[str, Any]:
        if not self.count:
            raise DataError(f"{self._where}: expected at least one graph, got none")
        return {"format": FORMAT, "schema_version": SCHEMA_VERSION, **self._facts}


class PickleWriter(Writer):
    """Writes all samples into one file, which replaces the old one in a single step.

    Raises:
        DataError: on entering, if the file is there and is not to be replaced.
    """

    def __init__(self, path: Path, replace: bool = False) -> None:
        self._path, self._replace = path, replace
        self._samples, self._stack = _Samples(path), ExitStack()

    def __enter__(self) -> PickleWriter:
        if self._path.exists() and not self._replace:
            raise is_there(self._path)
        self._temporary = self._stack.enter_context(replace_atomically(self._path))
        self._stream = self._stack.enter_context(self._temporary.open("wb"))
        self._crc, self._begun = 0, False
        return self

    def _write(self, content: bytes) -> None:
        self._crc = zlib.crc32(content, self._crc)
        self._stream.write(content)

    def append(self, piece: GraphStore) -> None:
        """As `Writer.append`."""
        if not self._begun:
            for bounds in _bounds(piece.attrs):
                self._write(pickle.dumps(bounds, PROTOCOL))
            self._write(pickle.PROTO + bytes([PROTOCOL]) + pickle.EMPTY_LIST)
            self._begun = True
        for content in self._samples.of(piece):
            # without its first two bytes (the protocol) and its last (stop)
            self._write(content[2:-1] + pickle.APPEND)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with self._stack:
            if error is None:
                self._write(pickle.STOP)
                facts = self._samples.facts() | {"crc32": self._crc}
                self._stream.write(pickle.dumps(facts, PROTOCOL))
                self._stream.flush()
            else:
                raise error


def open_pickle(path: Path, trust: bool = False) -> SampleStore:
    """Open a file of samples; it is read whole.

    Args:
        trust: restore every class that the file names, and so run its code.

    Raises:
        DataError: if it is missing, damaged, of another version, or holds other objects.
    """
    content = _content(path)
    stream = io.BytesIO(content)
    objects, ends = [], []
    while stream.tell() < len(content):
        objects.append(_load(stream, path, trust))
        ends.append(stream.tell())
    samples = objects[2] if len(objects) > 2 else (objects or [None])[-1]
    if not isinstance(samples, list):
        raise DataError(
            f"{path}: expected bounds of node and graph features and a list of samples, got "
            f"{', '.join(type(one).__name__ for one in objects) or 'nothing'}"
        )
    attrs = _attrs_of_bounds(objects[:2]) if len(objects) > 2 else {}
    facts = objects[3] if len(objects) > 3 else None
    if not (isinstance(facts, dict) and facts.get("format") == FORMAT):
        return SampleStore(ListSource(samples, attrs))
    _checked(path, facts)
    if zlib.crc32(content[: ends[2]]) != facts["crc32"]:
        raise DataError(f"{path}: expected samples as they were written; checksum differs. {AGAIN}")
    return SampleStore(ListSource(samples, facts["attrs"], facts["kinds"]))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as err:
        raise DataError(f"{path}: expected a pickle of samples, got nothing there") from err
    except OSError as err:
        raise DataError(f"{path}: expected a pickle that may be read: {err.strerror}") from err


def _load(stream: io.BytesIO, path: Path, trust: bool) -> Any:
    unpickler: Callable[[io.BytesIO], pickle.Unpickler]
    unpickler = pickle.Unpickler if trust else SampleUnpickler
    try:
        return unpickler(stream).load()
    except Exception as err:  # a damaged pickle can raise anything
        refused = isinstance(err, pickle.UnpicklingError) and "refuses" in str(err)
        hint = (
            ". Hint: only tensors, arrays and Data are restored; if you trust whoever made the "
            "file, say so: --trust-pickles"
        )
        raise DataError(
            f"{path}: expected a pickle of samples, got {type(err).__name__}: {err}"
            f"{hint if refused else ''}"
        ) from err


class PickleFolderWriter(Writer):
    """Writes a file for each sample; the samples of a label are there when its meta file is.

    Labels of one folder are written one after the other.

    Args:
        folder: where the files go; other labels may be there already.
        label: what the samples are called.
        use_subdir, per_folder: whether they lie in sub-folders, and how many in each.
        replace: exchange what is there, if the folder holds no other label.

    Raises:
        DataError: on entering, if the label is there and is not to be replaced.
    """

    def __init__(
        self,
        folder: Path,
        label: str | None = None,
        replace: bool = False,
        use_subdir: bool = True,
        per_folder: int = PER_FOLDER,
    ) -> None:
        self._folder, self._label, self._replace = folder, label or LABEL, replace
        self._use_subdir, self._per_folder = use_subdir, per_folder
        self._samples, self._stack = _Samples(folder), ExitStack()
        self._checksums: list[int] = []

    def __enter__(self) -> PickleFolderWriter:
        labels = pickled_labels(self._folder)
        if self._label in labels and not self._replace:
            raise is_there(self._folder / f"{self._label}{META}")
        if self._label in labels and labels != [self._label]:
            raise DataError(
                f"{self._folder}: expected no label beside {self._label!r}, which is to be "
                f"replaced, got {', '.join(labels)}. Hint: write into a new folder"
            )
        self._joins = self._folder.is_dir() and self._label not in labels
        if self._joins:
            inside = TemporaryDirectory(dir=self._folder, prefix=f".{self._label}.")
            self._temporary = Path(self._stack.enter_context(inside))
        else:
            self._temporary = self._stack.enter_context(
                folder_atomically(self._folder, self._replace)
            )
        return self

    def append(self, piece: GraphStore) -> None:
        """As `Writer.append`."""
        if not self._checksums:
            self._limits = _bounds(piece.attrs)
        for content in self._samples.of(piece):
            name = _sample_file(
                self._label, len(self._checksums), self._use_subdir, self._per_folder
            )
            file = self._temporary / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            self._checksums.append(zlib.crc32(content))

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with self._stack:
            if error is not None:
                raise error
            facts = self._samples.facts() | {"checksums": self._checksums}
            meta = [*self._limits, self._samples.count, self._use_subdir, self._per_folder]
            content = b"".join(pickle.dumps(one, PROTOCOL) for one in (*meta, {"hydria": facts}))
            if self._joins:
                self._join(content)
            else:
                (self._temporary / f"{self._label}{META}").write_bytes(content)

    def _join(self, meta: bytes) -> None:
        for file in self._temporary.rglob("*.pkl"):
            goal = self._folder / file.relative_to(self._temporary)
            goal.parent.mkdir(exist_ok=True)
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
            file.replace(goal)
        with replace_atomically(self._folder / f"{self._label}{META}") as temporary:
            temporary.write_bytes(meta)


def _sample_file(label: str, number: int, use_subdir: bool, per_folder: int) -> Path:
    name = Path(f"{label}-{number}.pkl")
    return str(number // per_folder) / name if use_subdir else name


def pickled_labels(folder: Path) -> list[str]:
    """The labels of the samples in a folder, each of which has its meta file."""
    return sorted(file.name.removesuffix(META) for file in folder.glob(f"*{META}"))


class PickleFolder(SampleSource):
    """Samples in a file each, read when they are asked for.

    Args:
        label: which; the only one when left out.
        trust: restore every class that the files name, and so run their code.

    Raises:
        DataError: if the meta file is missing, damaged or of another version.
    """

    def __init__(self, folder: Path, label: str | None = None, trust: bool = False) -> None:
        self._folder, self._trust = folder, trust
        self._label = chosen_label(folder, label, pickled_labels(folder))
        path = folder / f"{self._label}{META}"
        stream = io.BytesIO(_content(path))
        meta = []
        while stream.tell() < stream.getbuffer().nbytes:
            meta.append(_load(stream, path, trust))
        if len(meta) < 5:
            raise DataError(
                f"{path}: expected bounds, number of samples, whether there are sub-folders and "
                f"how many in each, got {len(meta)} objects"
            )
        *bounds, self._count, self._use_subdir, self._per_folder = meta[:5]
        self.attrs = _attrs_of_bounds(bounds)
        self._checksums: list[int] | None = None
        others = meta[5] if len(meta) > 5 and isinstance(meta[5], dict) else {}
        if "hydria" in others:
            facts = _checked(path, others["hydria"])
            self.attrs, self.kinds = facts["attrs"], facts["kinds"]
            self._checksums = facts["checksums"]

    def __len__(self) -> int:
        return int(self._count)

    def _file(self, number: int) -> Path:
        name = _sample_file(self._label, number, self._use_subdir, self._per_folder)
        return self._folder / name

    def read(self, ids: Sequence[int]) -> list[Data]:
        """As `SampleSource.read`."""
        found = []
        for number in ids:
            file = self._file(number)
            content = _content(file)
            if self._checksums is not None and zlib.crc32(content) != self._checksums[number]:
                raise DataError(
                    f"{file}: expected a sample as it was written; checksum differs. {AGAIN}"
                )
            found.append(_load(io.BytesIO(content), file, self._trust))
        return found

    def verify(self, progress: Progress = silent) -> None:
        """Read every sample, and compare it with its checksum where there is one.

        Raises:
            DataError: if one cannot be read, or differs.
        """
        for number in range(len(self)):
            self.read([number])
            progress("checksums", number + 1, len(self))
