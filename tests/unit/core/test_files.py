"""Files appear whole or not at all."""

import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from hydria.core.files import (
    folder_atomically,
    replace_atomically,
    sha256_file,
    write_json_atomic,
    write_text_atomic,
)


def test_text_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    write_text_atomic(path, "first")
    write_text_atomic(path, "zweite Å")
    assert path.read_text(encoding="utf-8") == "zweite Å"
    assert list(path.parent.iterdir()) == [path]


def test_failure_keeps_the_old_content_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomic(path, "good")
    with pytest.raises(OSError), replace_atomically(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_other_people_may_read_what_is_written(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_json_atomic(tmp_path / "a.json", {"k": [1, 2]})
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644
    assert json.loads((tmp_path / "a.json").read_text()) == {"k": [1, 2]}


def test_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("linux", [True, False])
def test_a_folder_is_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linux: bool
) -> None:
    if not linux:  # a C library and file systems without renameat2
        monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    folder = tmp_path / "deep" / "f"
    for text in ("old", "new"):
        with folder_atomically(folder, replace=True) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / text).write_text(text)
            assert not (folder / "sub" / text).exists()
    assert [path.name for path in (folder / "sub").iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["f"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


def test_a_folder_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(FileExistsError), folder_atomically(tmp_path / "f"):
        pass
    with pytest.raises(FileExistsError), folder_atomically(tmp_path / "g"):
        write_text_atomic(tmp_path / "g" / "theirs", "somebody else is faster")
    with pytest.raises(KeyError), folder_atomically(tmp_path / "f", replace=True):
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "g"]
