"""Every config of `configs/` makes its data and trains: a new one is tested when it arrives."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hydria.config import load_config
from hydria.config.data_sets import SIZES
from hydria.config.parse import bundled_configs
from hydria.data.catalog import CATALOG
from hydria.deploy.data_size import data_size
from hydria.workloads.run import Request, train

COUNT = 20
SHORT = ("Training.num_epoch=1", "Training.batch_size=7")


@pytest.mark.parametrize("name", list(bundled_configs()))
def test_every_config_trains_on_data_made_here(tmp_path: Path, name: str) -> None:
    data_set = CATALOG[load_config(name).config.dataset.name]
    # what comes as it is: a part of it
    part = ["Variables_of_interest.subsample_percentage=0.1"] if data_set.count is None else []
    loaded = load_config(name, [*SHORT, *part])
    data_set.provide(tmp_path, count=data_set.count and COUNT)
    result = train(Request(loaded, tmp_path / "run", tmp_path), os.environ)
    assert result.exit_code == 0
    assert result.results["heads"]
    assert all(np.isfinite(head["mae"]) for head in result.results["heads"].values())


@pytest.mark.parametrize("name", list(bundled_configs()))
def test_every_config_names_data_whose_size_is_known(name: str) -> None:
    config = load_config(name).config
    data_set = CATALOG[config.dataset.name]
    assert config.dataset.name in SIZES
    assert data_size(config, None).samples
    if data_set.count is not None:
        assert data_set.count == SIZES[data_set.name].count
