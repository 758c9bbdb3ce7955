"""Ranks meet through a shared folder, without MPI or torch, and nobody waits for the dead.

Rank 0 calls with a fresh number; the others answer to that number, so that files left over from a
killed launch mean nothing. When all have answered, or the time is up, rank 0 tells the verdict,
which is the exit code of all ranks. What was written is removed.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydria.core.errors import LaunchError
from hydria.core.files import write_json_atomic

# A folder is looked at this often per second by all ranks together, but not less than every 2 s:
# thousands of ranks must not keep the metadata server busy.
LOOKS_PER_S = 2000
POLL_S = (0.05, 2.0)
# How long rank 0 waits for the others to read the verdict, and they for rank 0 to tidy up:
# launchers end all ranks when the first one leaves with an error.
FAREWELL_S = 10.0


class Caller:
    """Rank 0: calls, gathers, tells the verdict."""

    def __init__(self, folder: Path, world_size: int) -> None:
        self.folder, self.world_size = folder, world_size
        self.number = secrets.token_hex(8)

    def call(self) -> None:
        """Ask the others to answer; OSError when the folder cannot be written."""
        write_json_atomic(self.folder / "call.json", {"number": self.number})

    def gather(self, timeout_s: float) -> dict[int, Any]:
        """Rank → what it answered; ranks that did not answer in time are left out."""
        answers: dict[int, Any] = {}

        def complete() -> bool:
            for rank, path in self._answered().items():
                if rank not in answers:
                    answers[rank] = json.loads(path.read_text(encoding="utf-8"))
            return len(answers) == self.world_size - 1

        _wait_until(complete, timeout_s, self.world_size)
        return answers

    def tell(self, verdict: int) -> None:
        """End the meeting: all ranks exit with `verdict`."""
        write_json_atomic(self.folder / f"{self.number}.verdict", verdict)
        _wait_until(lambda: not self._answered(), FAREWELL_S, self.world_size)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answered(self) -> dict[int, Path]:
        found = self.folder.glob(f"{self.number}.answer-*")
        return {int(path.name.rpartition("-")[2]): path for path in found}


def attend(folder: Path, rank: int, world_size: int, answer: object, timeout_s: float) -> int:
    """Any other rank: answer when rank 0 calls; return the verdict.

    Raises:
        LaunchError: when the folder cannot be written, or rank 0 does not call or end the meeting.
    """
    _open(folder, rank, world_size)
    answered: set[str] = set()
    verdict: list[int] = []

    def over() -> bool:
        number = _read(folder / "call.json", "number")
        if number is None:
            return False
        if number not in answered:
            if _verdict(folder, number):
                return False  # a meeting that was over before this rank came
            with suppress(FileNotFoundError):  # an old meeting's folder that is being removed
                write_json_atomic(folder / f"{number}.answer-{rank}", answer)
                answered.add(number)
            return False
        verdict.extend(_verdict(folder, number))
        return bool(verdict)

    # rank 0 itself may wait that long for a rank that is dead
    if not _wait_until(over, 2 * timeout_s, world_size):
        with suppress(OSError):
            folder.rmdir()
        raise LaunchError(
            f"rank {rank} of {world_size}: rank 0 did not appear in {folder.parent} within "
            f"{2 * timeout_s:.0f} s. Hint: all ranks need this folder (a shared file system); "
            "see what rank 0 printed"
        )
    for number in answered:
        (folder / f"{number}.answer-{rank}").unlink(missing_ok=True)
    _wait_until(lambda: not folder.exists(), FAREWELL_S, world_size)
    return verdict[0]


def _open(folder: Path, rank: int, world_size: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise LaunchError(
            f"rank {rank} of {world_size}: {folder.parent}: the ranks cannot meet here: "
            f"{err.strerror}. Hint: --meet names another folder that all ranks share"
        ) from err


def _verdict(folder: Path, number: str) -> list[int]:
    try:
        return [int(json.loads((folder / f"{number}.verdict").read_text(encoding="utf-8")))]
    except (OSError, ValueError):
        return []


def _read(path: Path, key: str) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError):
        return None


def _wait_until(holds: Callable[[], bool], timeout_s: float, world_size: int) -> bool:
    shortest, longest = POLL_S
    poll_s = min(longest, max(shortest, world_size / LOOKS_PER_S))
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(poll_s)
    return True
