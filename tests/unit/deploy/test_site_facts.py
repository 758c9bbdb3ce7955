"""What every described machine says: sources, confidence, and what is unknown."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from hydria.config.facts import Fact, Sourced, statements
from hydria.config.site import Conflict, Site
from hydria.deploy.explain import explain, remarks
from hydria.deploy.sites import load_site, site_names
from hydria.deploy.variables import KNOWN

OWNERS = {"local", "generic-slurm", "generic-pbs"}
DESCRIBED = sorted(set(site_names()) - OWNERS)
# What nobody has found out, by site: to be filled in from a facility's page, never by guessing.
UNKNOWN = {
    "andes": {"storage.purge_days", "restart.requeue"},
    "aurora": {"storage.purge_days", "restart.requeue"},
    "aws-parallelcluster": {
        "node.cores", "node.gpus.count", "storage.scratch", "restart.requeue",
    },
    "frontier": {"storage.purge_days", "restart.requeue"},
    "juwels-booster": {
        "node.gpus.mem_gb", "node.mem_gb", "container.runtime", "storage.scratch",
        "storage.purge_days", "restart.requeue",
    },
    "katana": {
        "scheduler.version_min", "node.gpus.mem_gb", "storage.purge_days", "restart.requeue",
    },
    "leonardo": {"container.runtime", "storage.purge_days", "restart.requeue"},
    "lumi": {"restart.requeue"},
    "perlmutter": {"ccl.plugin_path", "storage.purge_days", "restart.requeue"},
    "polaris": {"storage.purge_days", "restart.requeue"},
    "tuolumne": {
        "node.reserved_cores", "container.runtime", "ccl.plugin_path", "storage.purge_days",
        "restart.requeue",
    },
    "vista": {"container.runtime"},
}  # fmt: skip


def site_of(name: str) -> Site:
    return load_site(name).site


def says_something(part: Sourced) -> bool:
    """Whether a statement holds more than other statements."""
    if isinstance(part, Fact):
        return part.value is not None
    own = part.model_fields_set - set(Sourced.model_fields)
    return any(not _nested(getattr(part, name)) for name in own)


def _nested(value: object) -> bool:
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, BaseModel)


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_fact_says_where_it_comes_from(name: str) -> None:
    site = site_of(name)
    for path, part in statements(site):
        if isinstance(part, Conflict):
            assert part.source, path
        elif says_something(part):
            assert part.confidence, f"{path}: no confidence"
            assert part.source or part.confidence == "inferred", f"{path}: no source"


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_is_unknown_is_what_nobody_found(name: str) -> None:
    found = {
        path
        for path, part in statements(site_of(name))
        if isinstance(part, Fact) and part.value is None
    }
    assert found == UNKNOWN[name]


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_source_is_used(name: str) -> None:
    site = site_of(name)
    cited = {part.source for _, part in statements(site)}
    assert set(site.sources) <= cited


@pytest.mark.parametrize("name", site_names())
def test_no_variable_of_a_site_is_misspelt(name: str) -> None:
    assert not [text for text in remarks(site_of(name), site_of(name).as_of) if "did you" in text]


@pytest.mark.parametrize("name", site_names())
def test_variables_are_explained_with_value_reason_and_date(name: str) -> None:
    site = site_of(name)
    for variable in site.env:
        lines = list(explain(site, variable.name))
        assert any(variable.value in line and variable.why in line for line in lines)
        assert any(re.search(r"\d{4}-\d\d-\d\d|undated", line) for line in lines)


@pytest.mark.parametrize("name", site_names())
def test_contradictions_are_told_by_check(name: str) -> None:
    site = site_of(name)
    told = "\n".join(remarks(site, site.as_of))
    assert all(conflict.elsewhere in told for conflict in site.conflicts)


def test_known_contradictions_are_in_the_files() -> None:
    assert {name for name in DESCRIBED if site_of(name).conflicts} == {
        "andes", "aurora", "frontier", "katana", "lumi", "perlmutter", "polaris", "tuolumne",
    }  # fmt: skip


def test_names_that_were_wrong_elsewhere_are_nowhere() -> None:
    assert "MIOPEN_USER_DB" not in KNOWN
    for name in site_names():
        site = site_of(name)
        assert not any(variable.name == "MIOPEN_USER_DB" for variable in site.env)
        known = site.storage.filesystems
        assert known is None or "grand" not in known.known
