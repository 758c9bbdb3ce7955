"""Which cores ranks have where a launcher binds them by itself."""

from __future__ import annotations

import pytest

from tests.support.jobs import plan_for

RESERVED = "node.reserved_cores=0-2,24-26,48-50,72-74"


def test_mpibind_gives_each_rank_what_lies_around_its_gpu() -> None:
    places = plan_for("tuolumne", account="a", assume=[RESERVED]).places
    assert [(place.cores, place.gpu) for place in places] == [
        (tuple(range(24 * apu + 3, 24 * apu + 24)), apu) for apu in range(4)
    ]


@pytest.mark.parametrize(("assume", "gpus"), [([], 4), ([RESERVED], 2)])
def test_mpibind_is_not_foretold_from_what_is_unknown(assume: list[str], gpus: int) -> None:
    assert plan_for("tuolumne", account="a", gpus=gpus, assume=assume).places == ()
