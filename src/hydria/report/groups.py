"""Errors by composition, by element and by kind of structure."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hydria.report.record import Array, HeadPredictions

MOST_GROUPS = 60
FEWEST_GROUPS = 2
PART = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class Groups:
    """Mean absolute errors of one head by group.

    Attributes:
        by: composition, element or kind of structure.
        names: of the groups, in the order in which they are shown.
        errors: mean absolute error of each.
        counts: predictions in each.
    """

    by: str
    names: tuple[str, ...]
    errors: Array
    counts: Array


def groups_of(head: HeadPredictions) -> list[Groups]:
    """Errors of a node head by element, of a graph head by composition; of both by kind.

    Without those that the predictions do not tell, or that are one group only or too many.
    """
    own = ("element", head.element) if head.kind == "node" else ("composition", head.formula)
    found = [_groups(head, *pair) for pair in (own, ("kind of structure", head.config_type))]
    return [groups for groups in found if groups is not None]


def _groups(head: HeadPredictions, by: str, labels: Array | None) -> Groups | None:
    if labels is None:
        return None
    names, which = np.unique(labels, return_inverse=True)
    if not FEWEST_GROUPS <= len(names) <= MOST_GROUPS:
        return None
    counts = np.bincount(which)
    errors = np.bincount(which, weights=np.abs(head.error)) / counts
    order = sorted(range(len(names)), key=lambda index: fractions(str(names[index])))
    return Groups(by, tuple(str(names[i]) for i in order), errors[order], counts[order])


def fractions(formula: str) -> tuple[tuple[str, float], ...]:
    """Elements of a formula with their negative shares: sorts an alloy by composition."""
    parts = [(symbol, int(count or 1)) for symbol, count in PART.findall(formula)]
    total = sum(count for _, count in parts)
    return tuple((symbol, -count / total) for symbol, count in parts)
