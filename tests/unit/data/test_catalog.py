"""The catalogue: what is made here, what is fetched, and folders that are whole or not there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import ase.io
import pytest

from hydria.cli.main import run
from hydria.core.errors import DataError
from hydria.data.catalog import CATALOG, DataSet, entry
from hydria.data.download import Remote
from hydria.data.progress import Progress
from tests.support.http_server import running_server
from tests.support.raw_data import mlearn_entry


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_entry_can_be_had_somehow(name: str) -> None:
    data_set = CATALOG[name]
    assert data_set.name == name
    assert data_set.make is not None or data_set.remote
    assert all(remote.url.startswith("https://") for remote in data_set.remote)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match=r"unknown data set 'dft-si'.*did you mean 'dft_si'"):
        entry("dft-si")


def test_silicon_comes_without_a_network(tmp_path: Path) -> None:
    folder = CATALOG["dft_si"].provide(tmp_path)
    assert (folder / "train.extxyz.xz").is_file()
    assert (folder / "LICENSE").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["dft_si"]


def test_making_and_fetching_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hydria data fetch mlearn_si"):
        CATALOG["mlearn_si"].provide(tmp_path)
    with pytest.raises(DataError, match="hydria data make dft_si"):
        CATALOG["dft_si"].fetch(tmp_path)


def _made_of(text: str) -> DataSet:
    def make(folder: Path, _count: int, _progress: Progress) -> None:
        (folder / "a.txt").write_text(text)

    return DataSet("set", "a test", make=make)


def test_a_set_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    _made_of("first").provide(tmp_path)
    assert (_made_of("second").provide(tmp_path) / "a.txt").read_text() == "first"
    assert (_made_of("third").provide(tmp_path, force=True) / "a.txt").read_text() == "third"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_another_number_of_structures_is_no_silent_no(tmp_path: Path) -> None:
    data_set = replace(_made_of("first"), count=5)
    data_set.provide(tmp_path)
    data_set.provide(tmp_path, count=5)
    with pytest.raises(DataError, match=r"got 5 structures \(made\)\. Hint: --force"):
        data_set.provide(tmp_path, count=6)
    data_set.provide(tmp_path, count=6, force=True)
    with pytest.raises(DataError, match="comes as it is; leave the number of structures out"):
        CATALOG["dft_si"].provide(tmp_path, count=6)


def test_fetching_does_not_replace_what_was_made(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads" / "set"
    downloads.mkdir(parents=True)
    (downloads / "a.txt").write_text("published")
    remote = (Remote("https://example.invalid/a.txt", "a.txt"),)
    both = replace(_made_of("made"), remote=remote)
    both.provide(tmp_path)
    with pytest.raises(DataError, match=r"data that was made here.*hydria data fetch set --force"):
        both.fetch(tmp_path)
    assert (both.fetch(tmp_path, force=True) / "a.txt").read_text() == "published"
    assert (both.fetch(tmp_path) / "a.txt").read_text() == "published"


def test_a_failure_leaves_nothing_and_what_was_there_intact(tmp_path: Path) -> None:
    def fail(folder: Path, _count: int, _progress: Progress) -> None:
        (folder / "half.txt").write_text("half")
        raise DataError("no")

    _made_of("first").provide(tmp_path)
    with pytest.raises(DataError):
        DataSet("set", "a test", make=fail).provide(tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".origin.json", "a.txt", "set"]


def test_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="expected a folder to write data to"):
        _made_of("first").provide(tmp_path / "file" / "data")


def test_a_published_set_is_fetched_and_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command to extended XYZ, with the address on this machine and a lost connection."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    entries = [mlearn_entry(seed) for seed in range(9)]
    files = {name: json.dumps(entries).encode() for name in ("training.json", "test.json")}
    published = CATALOG["mlearn_si"]
    with running_server(files) as server:
        server.drops = [500]
        remote = tuple(
            Remote(server.url(name), name, hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        )
        monkeypatch.setitem(CATALOG, "mlearn_si", replace(published, remote=remote))
        with pytest.raises(SystemExit) as done:
            run(["data", "fetch", "mlearn_si", "--data", str(tmp_path)])
    assert done.value.code == 0
    assert str(tmp_path / "mlearn_si") in capsys.readouterr().out
    assert server.asked == [None, "bytes=500-", None]
    frames = ase.io.read(tmp_path / "mlearn_si" / "train.extxyz.xz", index=":", format="extxyz")
    assert [frame.get_potential_energy() for frame in frames] == [
        entry["outputs"]["energy"] for entry in entries[:8]
    ]


def test_fetched_files_are_converted_once(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads" / "set"
    downloads.mkdir(parents=True)
    (downloads / "raw.txt").write_text("content")

    def convert(files: tuple[Path, ...], folder: Path, _: Progress) -> None:
        (folder / "data.txt").write_text(files[0].read_text().upper())

    remote = (Remote("https://example.invalid/raw.txt", "raw.txt"),)
    converted = DataSet("set", "a test", remote=remote, convert=convert)
    assert (converted.fetch(tmp_path) / "data.txt").read_text() == "CONTENT"
    (downloads / "raw.txt").unlink()
    assert (converted.fetch(tmp_path) / "data.txt").read_text() == "CONTENT"
