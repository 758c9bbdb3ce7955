"""Conditions in site files: `nodes > 1 and runtime == apptainer`, read without evaluating code."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hydria.core.errors import listed

# What a condition may ask about, with the type its literal must have.
TERMS: dict[str, type] = {
    "nodes": int,
    "ranks_per_node": int,
    "gpus_per_node": int,
    "runtime": str,
    "queue": str,
    "constraint": str,
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"(?P<term>\w+)\s*(?P<operator>==|!=|>=|<=|>|<)\s*(?P<literal>[\w.-]+)")


@dataclass(frozen=True)
class Clause:
    term: str
    operator: str
    literal: int | str

    def holds(self, facts: Mapping[str, object]) -> bool:
        return _OPERATORS[self.operator](facts[self.term], self.literal)


def parse_condition(text: str) -> tuple[Clause, ...]:
    """The clauses of `text`, all of which must hold; ValueError names what is not understood."""
    return tuple(_parse_clause(part.strip()) for part in text.split(" and "))


def _parse_clause(text: str) -> Clause:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a condition such as 'nodes > 1', got {text!r}")
    kind = TERMS.get(match["term"])
    if kind is None:
        raise ValueError(f"expected a condition on one of {listed(TERMS)}, got {text!r}")
    literal = match["literal"]
    if kind is int and not literal.isdigit():
        raise ValueError(f"expected a whole number after {match['term']!r}, got {literal!r}")
    return Clause(match["term"], match["operator"], int(literal) if kind is int else literal)


def holds(text: str | None, facts: Mapping[str, object]) -> bool:
    """Whether the condition holds; one that is left out always does."""
    return text is None or all(clause.holds(facts) for clause in parse_condition(text))
