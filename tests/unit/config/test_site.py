"""The schema of site files."""

from __future__ import annotations

from datetime import date

import pytest
import yaml
from pydantic import ValidationError

from hydria.config.facts import Fact, cores_of, statements
from hydria.config.site import Site
from hydria.deploy.sites import load_site


def test_fact_is_written_plainly_or_with_its_source() -> None:
    plain = Fact[int].model_validate(64)
    full = Fact[int].model_validate({"value": 64, "source": "guide", "confidence": "seen"})
    assert plain.value == full.value == 64
    assert (full.source, full.confidence) == ("guide", "seen")


def test_unknown_is_a_value_of_every_fact() -> None:
    assert not Fact[int].model_validate("unknown").known
    assert not Fact[str].model_validate({"value": "unknown", "note": "not written"}).known


def test_core_lists() -> None:
    assert cores_of("0-2,8,10-11") == (0, 1, 2, 8, 10, 11)
    with pytest.raises(ValueError, match="core numbers"):
        cores_of("0-")


def test_every_statement_of_frontier_has_a_date() -> None:
    site = load_site("frontier").site
    found = dict(statements(site))
    assert found["node.cores"].source == "guide"
    assert site.dated(found["node.cores"]) == date(2026, 7, 22)
    assert "queues[0]" in found
    assert "env[0]" in found
    assert "node.gpus.count" in found


def test_source_that_is_not_in_the_table_is_refused() -> None:
    tree = yaml.safe_load(load_site("katana").path.read_text())
    tree["node"]["cores"]["source"] = "hearsay"
    with pytest.raises(ValidationError, match=r"node\.cores cites 'hearsay'"):
        Site.model_validate(tree)
