"""Data sets that Hydria can make, brings along, or knows where to fetch."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydria.core.assets import asset_dir
from hydria.core.errors import DataError, listed
from hydria.core.registry import nearest
from hydria.data import cu_au, mlearn
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


def entry(name: str) -> DataSet:
    """The entry of that name.

    Raises:
        DataError: if there is none; names the nearest one.
    """
    if name in CATALOG:
        return CATALOG[name]
    close = nearest(name, CATALOG)
    hint = f" Hint: did you mean {close!r}?" if close else ""
    raise DataError(f"unknown data set {name!r}; known: {listed(CATALOG)}.{hint}")


def _make_lsms(folder: Path, progress: Progress) -> None:
    cu_au.make(folder, progress=progress)


def _copy_dft_si(folder: Path, _: Progress) -> None:
    shutil.copytree(asset_dir("bundled") / "dft_si", folder, dirs_exist_ok=True)


def _convert_mlearn(files: tuple[Path, ...], folder: Path) -> None:
    mlearn.convert(files[0], files[1], folder)


def _mlearn(element: str, training: str | None = None, test: str | None = None) -> DataSet:
    """Zuo et al. for one element, with the checksums of the source's files where known."""
    base = f"{mlearn.PUBLISHED}/{element}"
    return DataSet(
        f"mlearn_{element.lower()}",
        f"{element} from DFT, energies and forces (Zuo et al. 2020, BSD-3), as extended XYZ",
        remote=(
            Remote(f"{base}/training.json", f"{element}_training.json", training),
            Remote(f"{base}/test.json", f"{element}_test.json", test),
        ),
        convert=_convert_mlearn,
    )


CATALOG = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            "lsms",
            "1 000 periodic 32-atom Cu-Au crystals in LSMS text; EMT energies, computed here",
            make=_make_lsms,
        ),
        DataSet(
            "dft_si",
            "239 silicon structures from DFT, energies and forces (Zuo et al. 2020, BSD-3)",
            make=_copy_dft_si,
        ),
        _mlearn(
            "Si",
            training="ae6d4b0a65b00e0fcf7ba0a6fad366716710d2f0d21d70199203089c6866b500",
            test="d452b30a89f23bff76f7cc529b7b6c2d159ea81ccd5a4599fb1a18207654fa91",
        ),
        _mlearn("Ge"),
        _mlearn("Li"),
        _mlearn("Mo"),
    )
}
