"""Walltimes and memory sizes as people write them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hydria.config.job import (
    JobConfig,
    format_memory,
    format_walltime,
    parse_memory,
    parse_walltime,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("02:00:00", 7200),
        ("100:00:00", 360000),
        ("1-02:30:00", 95400),
        ("2h", 7200),
        ("90m", 5400),
        ("90min", 5400),
        ("1h30m", 5400),
        ("2d", 172800),
        ("45s", 45),
    ],
)
def test_walltime_is_read_in_every_form(text: str, seconds: int) -> None:
    assert parse_walltime(text) == seconds
    assert parse_walltime(format_walltime(seconds)) == seconds


@pytest.mark.parametrize("text", ["2:00", "2", "", "0h", "00:00:00", "1:60:00", "2 hours", "-1h"])
def test_walltime_that_can_be_misread_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a walltime as HH:MM:SS.*got"):
        parse_walltime(text)


def test_walltime_that_yaml_made_a_number_says_so() -> None:
    with pytest.raises(ValueError, match='write "12:00:00"'):
        parse_walltime(43200)


@pytest.mark.parametrize(
    ("text", "mebibytes", "written"),
    [
        ("64G", 65536, "64G"),
        ("64gb", 65536, "64G"),
        ("500M", 500, "500M"),
        ("1TiB", 2**20, "1024G"),
    ],
)
def test_memory_is_read_with_its_unit(text: str, mebibytes: int, written: str) -> None:
    assert parse_memory(text) == mebibytes
    assert format_memory(mebibytes) == written


@pytest.mark.parametrize("text", ["64", "0G", "G", "64 potatoes", 64])
def test_memory_without_a_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="with its unit"):
        parse_memory(text)


def test_job_section_is_normalised_and_frozen() -> None:
    job = JobConfig.model_validate({"nodes": 2, "mem": "64gb", "walltime": "2h"})
    assert (job.memory, job.walltime) == ("64G", "02:00:00")
    with pytest.raises(ValidationError):
        job.nodes = 3  # type: ignore[misc]


@pytest.mark.parametrize("account", ["a\nb", "", " ", "a\x00b"])
def test_job_values_are_one_line(account: str) -> None:
    with pytest.raises(ValidationError, match="one line of printable text"):
        JobConfig.model_validate({"account": account})
