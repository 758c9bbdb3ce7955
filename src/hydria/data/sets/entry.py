"""A data set: what it is, and how its folder below the data root comes about."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydria.core.errors import DataError
from hydria.data.download import Remote, download
from hydria.data.progress import Progress, silent

log = logging.getLogger(__name__)

DOWNLOADS = "downloads"


@dataclass(frozen=True)
class DataSet:
    """One entry: what it is, and how its folder below the data root comes about.

    Attributes:
        name: its folder below the data root.
        about: one line for a list.
        make: writes its files into an empty folder without the network, or None.
        remote: files to fetch.
        convert: turns the fetched files into data, in an empty folder.
    """

    name: str
    about: str
    make: Callable[[Path, Progress], None] | None = None
    remote: tuple[Remote, ...] = ()
    convert: Callable[[tuple[Path, ...], Path], None] | None = None

    def provide(self, data_root: Path, progress: Progress = silent, force: bool = False) -> Path:
        """Its folder, made first when it is missing (or in any case, with `force`).

        Raises:
            DataError: if it can only be fetched, or cannot be written.
        """
        if self.make is None:
            raise DataError(
                f"{self.name}: expected a data set that can be made here; this one is published "
                f"elsewhere. Hint: hydria data fetch {self.name}"
            )
        return self._fill(data_root, force, lambda folder: self._made(folder, progress))

    def fetch(self, data_root: Path, progress: Progress = silent, force: bool = False) -> Path:
        """Its folder, fetched first when it is missing; a broken download is taken up again.

        Raises:
            DataError: if there is nothing to fetch, or it cannot be fetched whole.
        """
        if not self.remote:
            raise DataError(
                f"{self.name}: expected a published data set; this one needs no network. "
                f"Hint: hydria data make {self.name}"
            )
        if (data_root / self.name).exists() and not force:
            return data_root / self.name
        files = tuple(
            download(remote, data_root / DOWNLOADS / self.name, progress) for remote in self.remote
        )
        return self._fill(data_root, force, lambda folder: self._converted(files, folder))

    def _made(self, folder: Path, progress: Progress) -> None:
        assert self.make is not None
        log.info("making the data set %s", self.name)
        self.make(folder, progress)

    def _converted(self, files: tuple[Path, ...], folder: Path) -> None:
        if self.convert is not None:
            self.convert(files, folder)
            return
        for file in files:
            shutil.copy2(file, folder)

    def _fill(self, data_root: Path, force: bool, fill: Callable[[Path], None]) -> Path:
        """The folder of the set, filled under a temporary name; whole or not there at all."""
        folder = data_root / self.name
        if folder.exists() and not force:
            return folder
        try:
            data_root.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=data_root, prefix=f".{self.name}."))
        except OSError as err:
            raise DataError(f"{data_root}: expected a folder to write data to, got {err}") from err
        try:
            fill(temporary)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o777 & ~umask)
            if force and folder.exists():
                folder.rename(temporary.with_name(f"{temporary.name}.outdated"))
            _rename_unless_there(temporary, folder)
        finally:
            for rest in (temporary, temporary.with_name(f"{temporary.name}.outdated")):
                shutil.rmtree(rest, ignore_errors=True)
        return folder


def _rename_unless_there(new: Path, folder: Path) -> None:
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process made the same meanwhile
            raise
