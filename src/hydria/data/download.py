"""Fetching published files: streamed, resumed where they broke off, checked, kept whole."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydria.core.errors import DataError
from hydria.data.progress import Progress, silent

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
# how often a transfer that got further is taken up again before the user has to
ATTEMPTS = 5
PART = ".part"
CHECKSUMS = {"sha256": "SHA-256", "md5": "MD5"}


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        url: where it is published; better an address whose content never changes.
        file: its name here.
        sha256: hexadecimal checksum, or None where the publisher's is not known.
        md5: the same, for publishers who give only that.
    """

    url: str
    file: str
    sha256: str | None = None
    md5: str | None = None

    def wrong(self, file: Path) -> str | None:
        """What is wrong with the checksum of `file`: expected and found; None if it is right."""
        for name in ("sha256", "md5"):
            expected = getattr(self, name)
            if expected is not None and (found := _checksum(file, name)) != expected:
                return f"expected {CHECKSUMS[name]} {expected}, got {found}"
        return None


def _checksum(file: Path, name: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, name).hexdigest()


def download(remote: Remote, folder: Path, progress: Progress = silent) -> Path:
    """Fetch a file into `folder`, unless it is there already.

    What arrived before a transfer broke off stays in `NAME.part`, and the next call goes on there.

    Raises:
        DataError: if the server cannot be reached, does not have the file, or the file is not what
            was expected; says what is left on disk.
    """
    target = folder / remote.file
    if target.is_file() and remote.wrong(target) is None:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + PART)
    _fetch_all(remote, part, progress)
    _check(remote, part)
    part.replace(target)
    return target


def _fetch_all(remote: Remote, part: Path, progress: Progress) -> None:
    import httpx

    with httpx.Client(follow_redirects=True, timeout=TIMEOUT_S) as client:
        for attempt in range(1, ATTEMPTS + 1):
            before = _size(part)
            try:
                _fetch_rest(client, remote, part, progress)
                return
            except httpx.TransportError as err:
                if _size(part) == before or attempt == ATTEMPTS:
                    raise _broken_off(remote, part, err) from err
                log.info("%s: broke off after %d bytes, going on there", remote.file, _size(part))


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _fetch_rest(client: httpx.Client, remote: Remote, part: Path, progress: Progress) -> None:
    """Append what is missing of the file to `part`."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", remote.url, headers=headers) as response:
        if response.status_code == 416 and have:  # nothing beyond what is here
            return
        if response.status_code not in (200, 206):
            raise DataError(
                f"{remote.url}: expected the file, got HTTP status {response.status_code} "
                f"{response.reason_phrase}. Hint: it may have moved; fetch it by hand to "
                f"{part.with_name(remote.file)}"
            )
        resumed = response.status_code == 206
        have = have if resumed else 0  # a server without ranges sends it all again
        total = have + int(response.headers.get("Content-Length", 0))
        with part.open("ab" if resumed else "wb") as stream:
            for chunk in response.iter_raw():
                stream.write(chunk)
                have += len(chunk)
                progress(remote.file, have, total)


def _broken_off(remote: Remote, part: Path, err: Exception) -> DataError:
    have = _size(part)
    kept = (
        f"{have} bytes are kept in {part}; the same command goes on there"
        if have
        else (
            "nothing was written; is this machine offline? Fetch it elsewhere and put it at "
            f"{part.with_name(remote.file)}"
        )
    )
    return DataError(f"{remote.url}: no answer ({type(err).__name__}: {err}). Hint: {kept}")


def _check(remote: Remote, part: Path) -> None:
    wrong = remote.wrong(part)
    if wrong is not None:
        part.unlink()
        raise DataError(
            f"{remote.url}: {wrong}; the file was removed. "
            "Hint: try again; if it happens twice, the publisher has changed the file"
        )
    if remote.sha256 is None and remote.md5 is None:
        log.info(
            "%s: no published checksum to compare with; its SHA-256 is %s",
            part.stem,
            _checksum(part, "sha256"),
        )
