"""Raw data of every format goes all the way to a trained model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hydria.config import load_config
from hydria.workloads.run import Request, train
from tests.support.raw_data import RAW


@pytest.mark.parametrize("name", list(RAW))
def test_every_format_trains(tmp_path: Path, name: str) -> None:
    loaded = load_config(RAW[name](tmp_path), ["NeuralNetwork.Training.num_epoch=1"])
    result = train(Request(loaded, tmp_path / "run", tmp_path / "data"), os.environ)
    assert result.exit_code == 0
    heads = loaded.config.neural_network.variables_of_interest.output_names
    assert set(result.results["heads"]) == set(heads)
    assert all(head["mae"] >= 0 for head in result.results["heads"].values())
