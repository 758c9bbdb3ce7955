"""Who is heard first: flag, config, environment, own file, site."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydria.config.job import JobConfig
from hydria.core.errors import DeployError
from hydria.deploy.request import gather
from hydria.deploy.sites import load_site
from tests.support.jobs import NO_USER_FILE, plan_for

SITE = load_site("frontier").site


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    file = tmp_path / "hydria.yaml"
    file.write_text("account: everywhere\nmail: me@site\nsites:\n  frontier: {account: here}\n")
    return file


def test_each_place_is_heard_when_the_stronger_ones_are_silent(own_file: Path) -> None:
    job = JobConfig(account="config")
    environment = {"HYDRIA_ACCOUNT": "variable", "SBATCH_ACCOUNT": "slurm"}
    layers = [
        ({"account": "flag"}, job, environment, own_file, "flag", "--account"),
        ({}, job, environment, own_file, "config", "config Job.account"),
        ({}, None, environment, own_file, "variable", "HYDRIA_ACCOUNT"),
        ({}, None, {"SBATCH_ACCOUNT": "slurm"}, own_file, "slurm", "SBATCH_ACCOUNT"),
        ({}, None, {}, own_file, "here", "hydria.yaml sites.frontier.account"),
    ]
    for flags, section, variables, file, value, source in layers:
        setting = gather(flags, section, variables, SITE, file).get("account")
        assert setting is not None
        assert (setting.value, setting.source) == (value, source)
    assert gather({}, None, {}, SITE, NO_USER_FILE).get("account") is None


def test_site_gives_what_nobody_else_gives() -> None:
    setting = gather({}, None, {}, SITE, NO_USER_FILE).get("walltime")
    assert setting is not None
    assert (setting.value, setting.source) == ("01:00:00", "default of site frontier")


def test_own_file_serves_all_machines(own_file: Path) -> None:
    plan = plan_for("katana", user_file=own_file)
    assert plan.account.value == "everywhere"
    assert plan.mail.value == "me@site"


def test_numbers_come_from_the_environment_too() -> None:
    assert plan_for("frontier", environment={"HYDRIA_NODES": "3"}).nodes.value == 3


def test_variables_for_the_ranks_are_merged(own_file: Path) -> None:
    own_file.write_text("env: {A: own, B: own}\n")
    request = gather({"env": {"A": "flag"}}, JobConfig(env={"C": "job"}), {}, SITE, own_file)
    found = {name: setting.value for name, setting in request.environment().items()}
    assert found == {"A": "flag", "B": "own", "C": "job"}


def test_all_wrong_values_are_reported_together(own_file: Path) -> None:
    own_file.write_text("acount: typo\n")
    with pytest.raises(DeployError) as caught:
        gather({"nodes": 0, "walltime": "2:00"}, None, {"HYDRIA_GPUS": "many"}, SITE, own_file)
    text = str(caught.value)
    assert "--nodes: expected a whole number ≥ 1, got 0" in text
    assert "--walltime: expected a walltime as HH:MM:SS" in text
    assert "HYDRIA_GPUS: expected a whole number, got 'many'" in text
    assert "hydria.yaml acount: no such key. Hint: did you mean 'account'?" in text


@pytest.mark.parametrize("text", ["- a list", "a: [", "sites: 3"])
def test_own_file_that_cannot_be_read_is_named(own_file: Path, text: str) -> None:
    own_file.write_text(text)
    with pytest.raises(DeployError, match=r"hydria\.yaml"):
        gather({}, None, {}, SITE, own_file)
