"""Verbosity levels of the manual."""

import logging
from pathlib import Path

import pytest

from hydria.core import log


@pytest.mark.parametrize(
    ("verbosity", "rank", "shown"),
    [(0, 0, False), (1, 0, True), (1, 1, False), (2, 1, False), (3, 1, True), (4, 1, True)],
)
def test_terminal_shows_what_the_level_says(
    verbosity: int, rank: int, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(verbosity, rank)
    logging.getLogger("hydria.test").info("hello")
    assert ("hello" in capsys.readouterr().out) == shown


def test_file_of_rank_0_holds_everything(tmp_path: Path) -> None:
    log.configure(0, 0, tmp_path / "run.log")
    logging.getLogger("hydria.test").info("into the file")
    log.configure(0, 0)
    assert "INFO    into the file" in (tmp_path / "run.log").read_text()
