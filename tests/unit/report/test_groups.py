from dataclasses import replace

import numpy as np
import pytest

from hydria.report.groups import fractions, groups_of
from hydria.report.record import HeadPredictions


def head(kind: str, labels: list[str] | None, error: list[float]) -> HeadPredictions:
    size = len(error)
    zeros = np.zeros(size)
    words = None if labels is None else np.array(labels)
    return HeadPredictions(
        "head", kind, "", sample=np.arange(size), node=zeros, component=zeros, target=zeros,
        prediction=np.array(error),
        formula=words if kind == "graph" else None,
        element=words if kind == "node" else None,
    )  # fmt: skip


def test_node_errors_are_grouped_by_element() -> None:
    (groups,) = groups_of(head("node", ["Cu", "Au", "Cu"], [1.0, -4.0, -2.0]))
    assert (groups.by, groups.names) == ("element", ("Au", "Cu"))
    assert groups.errors.tolist() == [4.0, 1.5]
    assert groups.counts.tolist() == [1, 2]


def test_compositions_of_an_alloy_are_in_order() -> None:
    labels = ["Cu4", "AuCu3", "Au3Cu", "Au2Cu2", "Au4"]
    (groups,) = groups_of(head("graph", labels, [1.0, 2.0, 3.0, 4.0, 5.0]))
    assert groups.names == ("Au4", "Au3Cu", "Au2Cu2", "AuCu3", "Cu4")
    assert groups.errors.tolist() == [5.0, 3.0, 4.0, 2.0, 1.0]


@pytest.mark.parametrize("labels", [None, ["H2O"] * 100, [f"C{index}" for index in range(100)]])
def test_nothing_is_shown_where_groups_tell_nothing(labels: list[str] | None) -> None:
    assert groups_of(head("graph", labels, [0.1] * 100)) == []


def test_errors_are_grouped_by_kind_of_structure_too() -> None:
    labelled = replace(
        head("node", ["Cu", "Cu", "Au"], [1.0, 2.0, -3.0]),
        config_type=np.array(["bulk", "surface", "bulk"]),
    )
    elements, kinds = groups_of(labelled)
    assert elements.by == "element"
    assert (kinds.by, kinds.names) == ("kind of structure", ("bulk", "surface"))
    assert kinds.errors.tolist() == [2.0, 2.0]


def test_fractions_read_a_formula() -> None:
    assert fractions("AuCu3") == (("Au", -0.25), ("Cu", -0.75))
