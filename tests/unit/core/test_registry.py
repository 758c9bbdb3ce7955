"""Registries list without importing, and name the nearest entry."""

import collections
import sys

import pytest

from hydria.core.errors import HydriaError
from hydria.core.registry import Registry, nearest

TABLE = Registry("thing", {"Counter": "collections:Counter", "Turtle": "turtle:Turtle"})


def test_listing_imports_nothing() -> None:
    sys.modules.pop("turtle", None)
    assert list(TABLE) == ["Counter", "Turtle"]
    assert "Counter" in TABLE
    assert "turtle" not in sys.modules


def test_load_returns_the_object() -> None:
    assert TABLE.load("Counter") is collections.Counter


def test_unknown_name_says_the_nearest_and_all() -> None:
    with pytest.raises(HydriaError, match=r"unknown thing 'conter'; known: Counter, Turtle.*'Coun"):
        TABLE.load("conter")


@pytest.mark.parametrize(
    ("name", "expected"), [("schnett", "SchNet"), ("PAINN", "PaiNN"), ("zzz", None)]
)
def test_nearest_ignores_case(name: str, expected: str | None) -> None:
    assert nearest(name, ["SchNet", "PaiNN"]) == expected
