"""Where stores are kept: one file per kind, all written piece by piece and opened by name.

A store is named by its path, and by a label where a path holds several: `PATH#LABEL`.
"""

from __future__ import annotations

from pathlib import Path

from hydria.core.errors import DataError
from hydria.core.registry import Registry
from hydria.data.address import parted
from hydria.data.progress import Progress, silent
from hydria.data.store import Store
from hydria.data.stores import adios, folder, pickles, upstream_adios
from hydria.data.stores.columns import Writer
from hydria.data.stores.samples import SampleStore

# kinds of stores in files → their writers
WRITERS = Registry(
    "kind of store",
    {
        "folder": "hydria.data.stores.folder:FolderWriter",
        "adios2": "hydria.data.stores.adios:AdiosWriter",
        "pickle": "hydria.data.stores.pickles:PickleWriter",
        "pickles": "hydria.data.stores.pickles:PickleFolderWriter",
    },
)
WITH_LABELS = ("adios2", "pickles")
SUFFIXES = {".bp": "adios2", ".pkl": "pickle"}
# the file that a folder of each kind holds; the graphs of a prepared folder lie in "graphs"
PREPARED = "graphs"


def kind_of(path: Path) -> str:
    """The kind of a store that is there.

    Raises:
        DataError: if there is none.
    """
    if path.is_file():
        return "pickle"
    if (path / "md.idx").is_file() or (path / adios.INDEX).is_file():
        return "adios2"
    if (path / folder.INDEX).is_file() or (path / PREPARED / folder.INDEX).is_file():
        return "folder"
    if pickles.pickled_labels(path):
        return "pickles"
    state = "another folder" if path.is_dir() else "nothing there"
    raise DataError(
        f"{path}: expected a store (a folder of columns, an ADIOS2 file, a pickle or a folder of "
        f"pickles), got {state}"
    )


def open_store(address: Path | str, trust: bool = False) -> Store:
    """Open a store of any kind.

    Args:
        address: its path, or `PATH#LABEL`.
        trust: restore every class that a pickle names, and so run its code.

    Raises:
        DataError: if it is missing, damaged, foreign or of another version.
    """
    path, label = parted(address)
    kind = kind_of(path)
    if label is not None and kind not in WITH_LABELS:
        raise DataError(f"{path}: expected no label, since it holds one store, got {label!r}")
    if kind == "folder":
        inside = path / PREPARED
        return folder.open_folder(inside if inside.is_dir() else path)
    if kind == "pickle":
        return pickles.open_pickle(path, trust)
    if kind == "pickles":
        return SampleStore(pickles.PickleFolder(path, label, trust))
    if (path / adios.INDEX).is_file():
        return adios.AdiosStore(path, label)
    return SampleStore(upstream_adios.UpstreamAdios(path, label))


def new_store(address: Path | str, kind: str | None = None, replace: bool = False) -> Writer:
    """A writer of a store; what it writes appears when it is done.

    Args:
        address: its path, or `PATH#LABEL`.
        kind: of the store; by the ending of the path when left out (.bp, .pkl, else a folder).
        replace: exchange a store that is there.

    Raises:
        HydriaError: if the kind is unknown.
        DataError: if a label is given for a kind that has none.
    """
    path, label = parted(address)
    kind = kind or SUFFIXES.get(path.suffix, "folder")
    make = WRITERS.load(kind)
    if kind in WITH_LABELS:
        writer: Writer = make(path, label, replace=replace)
    elif label is not None:
        raise DataError(f"{path}: expected no label for a {kind}, got {label!r}")
    else:
        writer = make(path, replace=replace)
    return writer


def convert(source: Store, writer: Writer, progress: Progress = silent) -> None:
    """Write `source` piece by piece.

    Raises:
        DataError: if it cannot be read or written; nothing is left behind then.
    """
    with writer:
        done = 0
        progress("graphs", 0, len(source))
        for piece in source.pieces():
            writer.append(piece)
            done += len(piece)
            progress("graphs", done, len(source))


def verify(address: Path | str, progress: Progress = silent) -> bool:
    """Compare a store with its checksums; False if whoever wrote it wrote none.

    Raises:
        DataError: if it is damaged; names what.
    """
    path, label = parted(address)
    kind = kind_of(path)
    if kind == "folder":
        inside = path / PREPARED
        folder.verify_folder(inside if inside.is_dir() else path, progress)
        return True
    if kind == "adios2" and (path / adios.INDEX).is_file():
        adios.AdiosStore(path, label).verify(progress)
        return True
    if kind == "pickles":
        source = pickles.PickleFolder(path, label)
        source.verify(progress)
        return source.kinds is not None
    store = open_store(address)
    return isinstance(store, SampleStore) and store.source.kinds is not None
