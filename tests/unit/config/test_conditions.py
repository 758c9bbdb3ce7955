"""Conditions of site files."""

from __future__ import annotations

import pytest

from hydria.config.conditions import holds, parse_condition

FACTS = {"nodes": 2, "ranks_per_node": 8, "gpus_per_node": 8, "runtime": "none", "queue": "batch"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, True),
        ("nodes > 1", True),
        ("nodes == 1", False),
        ("nodes >= 2 and runtime == none", True),
        ("nodes >= 2 and runtime != none", False),
        ("queue == debug", False),
    ],
)
def test_condition_holds(text: str | None, expected: bool) -> None:
    assert holds(text, FACTS) is expected


@pytest.mark.parametrize(
    "text", ["nodes", "nodes > one", "colour == red", "nodes > 1 or nodes < 3", "__import__('os')"]
)
def test_condition_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_condition(text)
