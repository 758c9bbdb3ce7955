"""Downloads against a server here: whole, broken off and taken up again, wrong, absent."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hydria.core.errors import DataError
from hydria.data import download as downloading
from hydria.data.download import Remote, download
from tests.support.http_server import FileServer, running_server

NAME = "set.bin"
CONTENT = np.random.RandomState(0).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server({NAME: CONTENT}) as running:
        yield running


def test_a_file_arrives_whole_and_is_fetched_once(tmp_path: Path, server: FileServer) -> None:
    told: list[tuple[str, int, int]] = []
    remote = Remote(server.url(NAME), "set.bin", SHA256)
    for _ in range(2):
        file = download(remote, tmp_path / "new", lambda *args: told.append(args))
    assert file.read_bytes() == CONTENT
    assert server.asked == [None]
    assert told[-1] == ("set.bin", len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["set.bin"]


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(
    tmp_path: Path, server: FileServer
) -> None:
    server.drops = [50_000, 70_000]
    file = download(Remote(server.url(NAME), "set.bin", SHA256), tmp_path)
    assert file.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=50000-", "bytes=120000-"]


def test_what_arrived_is_kept_for_the_next_call(
    tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "ATTEMPTS", 1)
    server.drops = [80_000]
    remote = Remote(server.url(NAME), "set.bin", SHA256)
    with pytest.raises(DataError, match=r"80000 bytes are kept in .*set\.bin\.part.*goes on there"):
        download(remote, tmp_path)
    assert (tmp_path / "set.bin.part").read_bytes() == CONTENT[:80_000]
    assert not (tmp_path / "set.bin").exists()
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=80000-"]


def test_a_server_without_ranges_sends_it_all_again(tmp_path: Path, server: FileServer) -> None:
    server.ranges = False
    server.drops = [80_000]
    assert download(Remote(server.url(NAME), "set.bin", SHA256), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_only_checked(tmp_path: Path, server: FileServer) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    assert download(Remote(server.url(NAME), "set.bin", SHA256), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [b"", b"something else entirely"])
def test_a_wrong_checksum_leaves_nothing_behind(
    tmp_path: Path, server: FileServer, kept: bytes
) -> None:
    expected = SHA256 if kept else "0" * 64
    if kept:
        (tmp_path / "set.bin.part").write_bytes(kept)
    with pytest.raises(DataError, match=f"expected SHA-256 {expected}, got .*removed"):
        download(Remote(server.url(NAME), "set.bin", expected), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_publishers_who_give_md5_only(tmp_path: Path, server: FileServer) -> None:
    right = hashlib.md5(CONTENT).hexdigest()
    file = download(Remote(server.url(NAME), "set.bin", md5=right), tmp_path)
    assert file.read_bytes() == CONTENT
    with pytest.raises(DataError, match=rf"expected MD5 {'0' * 32}, got {right}; .*removed"):
        download(Remote(server.url(NAME), "other.bin", md5="0" * 32), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


def test_a_file_that_was_changed_here_is_fetched_again(tmp_path: Path, server: FileServer) -> None:
    (tmp_path / "set.bin").write_bytes(CONTENT[:-1])
    assert download(Remote(server.url(NAME), "set.bin", SHA256), tmp_path).read_bytes() == CONTENT


def test_without_a_known_checksum_the_file_is_taken(
    tmp_path: Path, server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="hydria"):
        assert download(Remote(server.url(NAME), "set.bin"), tmp_path).read_bytes() == CONTENT
    assert SHA256 in caplog.text


def test_an_absent_file_is_named_with_its_status(tmp_path: Path, server: FileServer) -> None:
    url = server.url("gone.bin")
    with pytest.raises(DataError, match=r"gone\.bin: expected the file, got HTTP status 404"):
        download(Remote(url, "gone.bin", SHA256), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound but not listening: nobody answers
        url = f"http://127.0.0.1:{free.getsockname()[1]}/set.bin"
        with pytest.raises(DataError, match=r"no answer .*offline\? .*put it at .*set\.bin"):
            download(Remote(url, "set.bin", SHA256), tmp_path)
