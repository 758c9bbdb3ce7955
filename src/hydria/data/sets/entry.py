"""A data set: what it is, and how its folder below the data root comes about."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from hydria.core.errors import DataError
from hydria.core.files import write_json_atomic
from hydria.data.download import Remote, download
from hydria.data.progress import Progress, silent

log = logging.getLogger(__name__)

DOWNLOADS = "downloads"
# hidden, so that no format reads it as data
ORIGIN = ".origin.json"
MADE, FETCHED = "made", "fetched"


@dataclass(frozen=True)
class Origin:
    """How the folder of a data set came about."""

    how: str
    count: int | None


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: its folder below the data root.
        about: one line for a list: what it is, its source and licence.
        make: writes so many structures into an empty folder without the network, or None.
        count: structures that are made when nobody asks for another number; None if that is fixed.
        remote: files to fetch.
        convert: turns the fetched files into data, in an empty folder.
    """

    name: str
    about: str
    make: Callable[[Path, int, Progress], None] | None = None
    count: int | None = None
    remote: tuple[Remote, ...] = ()
    convert: Callable[[tuple[Path, ...], Path, Progress], None] | None = None

    def provide(
        self,
        data_root: Path,
        progress: Progress = silent,
        force: bool = False,
        count: int | None = None,
    ) -> Path:
        """Its folder, made first when it is missing (or in any case, with `force`).

        Raises:
            DataError: if it can only be fetched, or not in that number, or cannot be written, or
                another number of structures is there already.
        """
        make = self.make
        if make is None:
            raise DataError(
                f"{self.name}: expected a data set that can be made here; this one is published "
                f"elsewhere. Hint: hydria data fetch {self.name}"
            )
        if count is not None and self.count is None:
            raise DataError(f"{self.name}: comes as it is; leave the number of structures out")
        number = count or self.count or 0
        there = origin(data_root / self.name)
        if count is not None and there is not None and there.count != count and not force:
            raise DataError(
                f"{data_root / self.name}: expected nothing there yet, got "
                f"{there.count or 'other'} structures ({there.how}). Hint: --force makes it anew"
            )

        def fill(folder: Path) -> Origin:
            log.info("making the data set %s", self.name)
            make(folder, number, progress)
            return Origin(MADE, number)

        return self._fill(data_root, force, fill)

    def fetch(self, data_root: Path, progress: Progress = silent, force: bool = False) -> Path:
        """Its folder, fetched first when it is missing; a broken download is taken up again.

        Raises:
            DataError: if there is nothing to fetch, it cannot be fetched whole, or data that was
                made here is in its place.
        """
        if not self.remote:
            raise DataError(
                f"{self.name}: expected a published data set; this one needs no network. "
                f"Hint: hydria data make {self.name}"
            )
        folder = data_root / self.name
        there = origin(folder)
        if there is not None and not force:
            if there.how == MADE:
                raise DataError(
                    f"{folder}: expected nothing there yet, got data that was made here. "
                    f"Hint: 'hydria data fetch {self.name} --force' puts the published data there"
                )
            return folder
        files = tuple(
            download(remote, data_root / DOWNLOADS / self.name, progress) for remote in self.remote
        )

        def fill(folder: Path) -> Origin:
            if self.convert is not None:
                self.convert(files, folder, progress)
            else:
                for file in files:
                    shutil.copy2(file, folder)
            return Origin(FETCHED, None)

        return self._fill(data_root, force, fill)

    def _fill(self, data_root: Path, force: bool, fill: Callable[[Path], Origin]) -> Path:
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
            found = fill(temporary)
            write_json_atomic(temporary / ORIGIN, asdict(found))
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


def origin(folder: Path) -> Origin | None:
    """How `folder` came about; None when it is not there."""
    if not folder.is_dir():
        return None
    try:
        return Origin(**json.loads((folder / ORIGIN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Origin("there", None)  # put there by somebody else
