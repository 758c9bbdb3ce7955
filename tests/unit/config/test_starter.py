"""The commented starter is a config, and its comments are the defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hydria.config import LoadedConfig, load_config
from hydria.config.architectures import ARCHITECTURES
from hydria.config.not_yet import not_yet
from hydria.config.starter import starter
from hydria.core.errors import ConfigError

DEFAULT = re.compile(r'^( *)// ("\w+": )', re.MULTILINE)


def load(tmp_path: Path, text: str) -> LoadedConfig:
    file = tmp_path / "run.json5"
    file.write_text(text)
    return load_config(file)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_starter_loads_without_a_warning(tmp_path: Path, architecture: str) -> None:
    loaded = load(tmp_path, starter("FePt", architecture))
    assert loaded.warnings == ()
    assert loaded.config.dataset.name == "FePt"
    assert loaded.config.neural_network.architecture.mpnn_type == architecture


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_starter_asks_for_nothing_that_cannot_be_trained(tmp_path: Path, architecture: str) -> None:
    assert not_yet(load(tmp_path, starter("FePt", architecture)).config) == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_commented_keys_are_the_defaults(tmp_path: Path, architecture: str) -> None:
    text = starter("FePt", architecture)
    uncommented = DEFAULT.sub(r"\1\2", text)
    assert len(DEFAULT.findall(text)) > 30
    # all of them written out mean the same config as none of them
    job = re.compile(r'  "Job": \{.*?\n  \},\n', re.DOTALL)
    before = load(tmp_path, job.sub("", text)).config
    assert load(tmp_path, job.sub("", uncommented)).config == before


def test_lines_are_short() -> None:
    lines = [line for name in ARCHITECTURES for line in starter("FePt", name).splitlines()]
    assert max(map(len, lines)) <= 100


def test_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'SchNet'"):
        starter("FePt", "SchNett")


def test_name_that_is_no_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"name: expected a name of letters.*got 'a/b'"):
        starter("a/b", "PNA")
