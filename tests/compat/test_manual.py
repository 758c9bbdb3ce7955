"""The Python samples of the HydraGNN user manual, as they stand there, on a small data set."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hydragnn
from hydria.core.errors import ConfigError, HydriaError
from tests.support.raw_data import config_tree, write_lsms

# names and code under each heading of the manual; what a sample leaves open is set up before it
BASIC = """
import hydragnn

# Simple distributed training
hydragnn.run_training("config.json")
"""
LOADING = """
from hydragnn.preprocess.load_data import dataset_loading_and_splitting

# Load and split data automatically
train_loader, val_loader, test_loader = dataset_loading_and_splitting(config)
"""
MODEL = """
from hydragnn.models.create import create_model_config

# Create model from configuration
model = create_model_config(
    config=config["NeuralNetwork"],
    verbosity=config["Verbosity"]["level"]
)

# Print model architecture
from hydragnn.utils.model import print_model
print_model(model)
"""
SCHEDULER = """
from torch.optim.lr_scheduler import ReduceLROnPlateau

scheduler = ReduceLROnPlateau(
    optimizer,
    mode="min",
    factor=0.5,
    patience=5,
    min_lr=0.00001
)
"""
TRAINING = """
from hydragnn.train.train_validate_test import train_validate_test

# Custom training with full control
train_validate_test(
    model=model,
    optimizer=optimizer,
    train_loader=train_loader,
    val_loader=val_loader,
    test_loader=test_loader,
    writer=writer,
    scheduler=scheduler,
    config=config["NeuralNetwork"],
    log_name=log_name,
    verbosity=verbosity,
    create_plots=True
)
"""
SAVING = """
from hydragnn.utils.model import save_model

# Save model and optimizer state
save_model(model, optimizer, log_name)
"""
CONTINUING = """
from hydragnn.utils.model import load_existing_model_config

# Load existing model
load_existing_model_config(model, config["Training"], optimizer=optimizer)
"""
VALIDATING = """
# Validate configuration
from hydragnn.utils.input_config_parsing.config_utils import validate_config
validate_config(config)

# Check required fields
required_fields = ["Dataset", "NeuralNetwork", "Verbosity"]
for field in required_fields:
    assert field in config, f"Missing required field: {field}"
"""
PROFILING = """
from hydragnn.utils.distributed import print_peak_memory

# Monitor memory usage
print_peak_memory(verbosity_level, "After model creation")

from hydragnn.utils.profiling_and_tracing.time_utils import Timer

timer = Timer("data_loading")
timer.start()
# ... your code ...
timer.stop()
"""
ERRORS = """
import logging
try:
    hydragnn.run_training(config)
except Exception as e:
    logging.error(f"Training failed: {e}")
    # Save partial results
    # Clean up resources
    raise
"""


class Writer:
    """Stands for a TensorBoard writer."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert np.isfinite(value)
        self.told.append((name, step))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A config in an empty working directory with 20 small structures."""
    monkeypatch.chdir(tmp_path)
    write_lsms(tmp_path / "raw", count=20)
    tree = config_tree("raw") | {"Verbosity": {"level": 1}}
    Path("config.json").write_text(json.dumps(tree))
    logger = logging.getLogger("hydria")
    monkeypatch.setattr(logger, "handlers", [])
    before = logger.level, logger.propagate
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield tree
    torch.use_deterministic_algorithms(deterministic)
    logger.level, logger.propagate = before


def test_high_level_training(config: dict[str, Any]) -> None:
    exec(BASIC, {})
    results = json.loads(Path("runs/config/results.json").read_text())
    assert results["heads"].keys() == {"free_energy", "charge_density", "magnetic_moment"}
    assert json.loads(Path("runs/config/status.json").read_text())["state"] == "finished"
    assert Path("runs/config/report.html").is_file()


def test_training_with_a_dictionary_then_prediction(config: dict[str, Any]) -> None:
    hydragnn.run_training(config)
    results = json.loads(Path("runs/made/results.json").read_text())
    error, errors, true_values, predicted_values = hydragnn.run_prediction(config)
    assert error == pytest.approx(results["test_loss"], rel=1e-12)
    for (name, head), rmse, true, predicted in zip(
        results["heads"].items(), errors, true_values, predicted_values, strict=True
    ):
        assert rmse == pytest.approx(head["rmse"], rel=1e-12), name
        assert true.shape == predicted.shape == (head["n"], 1)
        assert float((true - predicted).square().mean().sqrt()) == pytest.approx(rmse, rel=1e-9)


def test_a_second_training_does_not_overwrite_the_first(config: dict[str, Any]) -> None:
    hydragnn.run_training(config)
    with pytest.raises(HydriaError, match="finished run"):
        hydragnn.run_training(config)
    hydragnn.run_training(config, force=True)


def test_deepspeed_is_refused_not_ignored(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="use_deepspeed"):
        hydragnn.run_training(config, use_deepspeed=True)


def test_a_failing_training_raises(config: dict[str, Any]) -> None:
    config["Dataset"]["path"]["total"] = "nowhere"
    with pytest.raises(HydriaError, match="nowhere"):
        exec(ERRORS, {"hydragnn": hydragnn, "config": config})


def test_own_training_loop(config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"config": config, "verbosity": 1, "log_name": "mine"}
    exec(LOADING, names)
    assert [len(names[f"{s}_loader"].dataset) for s in ("train", "val", "test")] == [14, 3, 3]
    exec(MODEL, names)
    model = names["model"]
    names["optimizer"] = torch.optim.AdamW(model.parameters(), lr=1e-3)
    exec(SCHEDULER, names)
    names["writer"] = Writer()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    exec(TRAINING, names)
    changed = [n for n, value in model.state_dict().items() if not torch.equal(value, before[n])]
    assert changed, "the script's own model is trained"
    assert names["optimizer"].state_dict()["state"], "with the script's own optimiser"
    assert names["scheduler"].last_epoch == 2, "and its own schedule"
    assert ("train error", 1) in names["writer"].told
    assert Path("logs/mine/report.html").is_file()
    shown = capsys.readouterr().out
    assert "values (" in shown
    assert "free_energy" in shown

    exec(SAVING, names)
    other = type(model)(model.spec)
    names |= {"model": other, "config": {"Training": {"continue": 1, "startfrom": "mine"}}}
    names["optimizer"] = torch.optim.AdamW(other.parameters(), lr=1e-3)
    exec(CONTINUING, names)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_loaders_cover_each_set_once(config: dict[str, Any]) -> None:
    names: dict[str, Any] = {"config": config}
    exec(LOADING, names)
    loader = names["train_loader"]
    epochs = [torch.cat([batch["y.free_energy"] for batch in loader]) for _ in range(2)]
    assert not torch.equal(*epochs), "each epoch has its own order"
    for values in epochs:
        torch.testing.assert_close(values.sort(0)[0], epochs[0].sort(0)[0], rtol=0, atol=0)
    loader.set_epoch(0)
    assert torch.equal(torch.cat([batch["y.free_energy"] for batch in loader]), epochs[0])
    assert len(loader) == len(list(loader)) == 4
    sample = names["test_loader"].dataset[0]
    assert sample.x.shape == (8, 1)


def test_loaders_of_others_are_refused(config: dict[str, Any]) -> None:
    names: dict[str, Any] = {"config": config}
    exec(LOADING, names)
    exec(MODEL, names)
    optimizer = torch.optim.SGD(names["model"].parameters(), lr=0.1)
    section, loader = config["NeuralNetwork"], names["train_loader"]
    with pytest.raises(HydriaError, match="got GraphLoader, list, GraphLoader"):
        hydragnn.train.train_validate_test(
            names["model"], optimizer, loader, [], loader, None, None, section, "mine"
        )


def test_validation_and_profiling(
    config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(VALIDATING, {"config": config})
    exec(PROFILING, {"verbosity_level": 1})
    assert "After model creation: peak memory" in capsys.readouterr().out
    config["NeuralNetwork"]["Training"]["num_epochs"] = 3
    with pytest.raises(ConfigError, match="num_epoch"):
        exec(VALIDATING, {"config": config})


def test_own_training_loop_on_two_ranks(config: dict[str, Any]) -> None:
    script = "\n".join(
        [
            "import json, torch",
            "torch.manual_seed(42)",
            "config = json.load(open('config.json'))",
            LOADING,
            MODEL,
            # Adam would make steps of the rounding noise in gradients that vanish before a norm
            "optimizer = torch.optim.SGD(model.parameters(), lr=0.01)",
            "writer = scheduler = None",
            "log_name, verbosity = 'two', 1",
            TRAINING,
            SAVING,
        ]
    )
    Path("script.py").write_text(script)
    # as many graphs in a step as the one process of the comparison has
    two = json.loads(Path("config.json").read_text())
    del two["NeuralNetwork"]["Training"]["batch_size"]
    two["NeuralNetwork"]["Training"]["global_batch_size"] = 4
    Path("config.json").write_text(json.dumps(two))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run([*torchrun, "--nproc-per-node=2", "script.py"], check=True, timeout=180)
    both = json.loads(Path("logs/two/results.json").read_text())
    subprocess.run([sys.executable, "script.py"], check=True, timeout=180)
    alone = json.loads(Path("logs/two/results.json").read_text())
    assert both["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-4)
    assert Path("logs/two/two.pk").is_file()
